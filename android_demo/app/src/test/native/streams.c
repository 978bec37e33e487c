/* bionic's stdio on glibc's.
 *
 * Code for Android names its standard streams in two ways: as elements of the array `__sF`, whose
 * address the linker fills in, or through the pointers `stdin`, `stdout`, `stderr`. An element's
 * address means nothing to glibc, so every function that takes a stream replaces it first. Streams
 * that were opened by fopen are glibc's own.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <wchar.h>

enum { BIONIC_FILE_SIZE = 152 }; /* of LP64 Android */

char bionic_sF[3][BIONIC_FILE_SIZE] __attribute__((aligned(16)));
FILE *bionic_stdin, *bionic_stdout, *bionic_stderr;

__asm__(".symver bionic_sF, __sF@LIBC");
__asm__(".symver bionic_stdin, stdin@LIBC");
__asm__(".symver bionic_stdout, stdout@LIBC");
__asm__(".symver bionic_stderr, stderr@LIBC");

__attribute__((constructor)) static void set_pointers(void) {
  bionic_stdin = stdin;
  bionic_stdout = stdout;
  bionic_stderr = stderr;
}

static FILE *host(void *stream) {
  uintptr_t offset = (uintptr_t)stream - (uintptr_t)bionic_sF;
  if (offset >= sizeof bionic_sF) return stream;
  FILE *const standard[] = {stdin, stdout, stderr};
  return standard[offset / BIONIC_FILE_SIZE];
}

/* Closing a standard stream would close the JVM's. */
int bionic_fclose(void *stream) { return host(stream) == stream ? fclose(stream) : 0; }
int bionic_ferror(void *stream) { return ferror(host(stream)); }
int bionic_fflush(void *stream) { return fflush(stream ? host(stream) : NULL); }
int bionic_fseek(void *stream, long at, int from) { return fseek(host(stream), at, from); }
int bionic_fseeko(void *stream, off_t at, int from) { return fseeko(host(stream), at, from); }
off_t bionic_ftello(void *stream) { return ftello(host(stream)); }

size_t bionic_fread(void *to, size_t size, size_t count, void *stream) {
  return fread(to, size, count, host(stream));
}
size_t bionic_fwrite(const void *from, size_t size, size_t count, void *stream) {
  return fwrite(from, size, count, host(stream));
}
int bionic_getc(void *stream) { return getc(host(stream)); }
int bionic_ungetc(int character, void *stream) { return ungetc(character, host(stream)); }
int bionic_fputc(int character, void *stream) { return fputc(character, host(stream)); }
int bionic_fputs(const char *text, void *stream) { return fputs(text, host(stream)); }
wint_t bionic_getwc(void *stream) { return getwc(host(stream)); }
wint_t bionic_ungetwc(wint_t character, void *stream) { return ungetwc(character, host(stream)); }
wint_t bionic_fputwc(wchar_t character, void *stream) { return fputwc(character, host(stream)); }

int bionic_vfprintf(void *stream, const char *format, va_list values) {
  return vfprintf(host(stream), format, values);
}
int bionic_fprintf(void *stream, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int written = vfprintf(host(stream), format, values);
  va_end(values);
  return written;
}
