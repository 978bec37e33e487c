/* `long double` is 80 bits wide for glibc on x86_64 and IEEE binary128 on Android, passed in a
 * vector register. glibc has all of it under the names for _Float128. */
#define __STDC_WANT_IEC_60559_TYPES_EXT__ 1
#define _GNU_SOURCE
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <wchar.h>

_Float128 bionic_strtold(const char *text, char **end) { return strtof128(text, end); }
_Float128 bionic_strtold_l(const char *text, char **end, locale_t locale) {
  return strtof128_l(text, end, locale);
}
_Float128 bionic_wcstold(const wchar_t *text, wchar_t **end) { return wcstof128(text, end); }
_Float128 bionic_frexpl(_Float128 value, int *exponent) { return frexpf128(value, exponent); }
_Float128 bionic_ldexpl(_Float128 value, int exponent) { return ldexpf128(value, exponent); }
