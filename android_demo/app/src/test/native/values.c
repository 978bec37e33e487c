/* What bionic numbers, sizes or names differently from glibc, and what only Android has. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- errors ----------------------------------------------------------------------------------- */

int *bionic___errno(void) { return &errno; }

/* POSIX's form returns an int, GNU's a text; glibc gives the plain name to GNU's. */
extern int __xpg_strerror_r(int, char *, size_t);
int bionic_strerror_r(int error, char *text, size_t size) {
  return __xpg_strerror_r(error, text, size);
}
char *bionic___gnu_strerror_r(int error, char *text, size_t size) {
  return strerror_r(error, text, size);
}

/* -- limits, which the two libraries number differently --------------------------------------- */

struct renumbered { int bionic, host; };

static long renumber(const struct renumbered *table, size_t size, int name, const char *what) {
  for (size_t i = 0; i < size; i++)
    if (table[i].bionic == name) return table[i].host;
  /* Loud, because the caller will go on with an error that cannot happen on a phone. */
  fprintf(stderr, "androidhost: %s(0x%x) has no counterpart\n", what, name);
  errno = EINVAL;
  return -1;
}

long bionic_sysconf(int name) {
  static const struct renumbered table[] = {
      {0x00, _SC_ARG_MAX},          {0x05, _SC_CHILD_MAX},        {0x06, _SC_CLK_TCK},
      {0x0b, _SC_OPEN_MAX},         {0x27, _SC_PAGESIZE},         {0x28, _SC_PAGESIZE},
      {0x47, _SC_GETGR_R_SIZE_MAX}, {0x48, _SC_GETPW_R_SIZE_MAX}, {0x60, _SC_NPROCESSORS_CONF},
      {0x61, _SC_NPROCESSORS_ONLN}, {0x62, _SC_PHYS_PAGES},       {0x63, _SC_AVPHYS_PAGES},
      {0x64, _SC_MONOTONIC_CLOCK},
  };
  long host = renumber(table, sizeof table / sizeof *table, name, "sysconf");
  return host < 0 ? -1 : sysconf((int)host);
}

long bionic_pathconf(const char *path, int name) {
  static const struct renumbered table[] = {
      {1, _PC_LINK_MAX}, {4, _PC_NAME_MAX}, {5, _PC_PATH_MAX}};
  long host = renumber(table, sizeof table / sizeof *table, name, "pathconf");
  return host < 0 ? -1 : pathconf(path, (int)host);
}

/* -- signal sets: 64 bits on Android, 1024 here ----------------------------------------------- */

int bionic_sigfillset(uint64_t *set) {
  *set = UINT64_MAX;
  return 0;
}

int bionic_pthread_sigmask(int how, const uint64_t *set, uint64_t *old) {
  sigset_t wide, before;
  sigemptyset(&wide);
  sigemptyset(&before);
  if (set) memcpy(&wide, set, sizeof *set);
  int error = pthread_sigmask(how, set ? &wide : NULL, &before);
  if (!error && old) memcpy(old, &before, sizeof *old);
  return error;
}

/* -- checked string functions that glibc has not ---------------------------------------------- */

static void overrun(const char *function) {
  fprintf(stderr, "androidhost: %s runs past its buffer\n", function);
  abort();
}

size_t bionic___strlen_chk(const char *text, size_t size) {
  size_t length = strlen(text);
  if (length >= size) overrun("strlen");
  return length;
}
char *bionic___strchr_chk(const char *text, int character, size_t size) {
  (void)size;
  return strchr(text, character);
}
char *bionic___strrchr_chk(const char *text, int character, size_t size) {
  (void)size;
  return strrchr(text, character);
}
ssize_t bionic___write_chk(int file, const void *from, size_t count, size_t size) {
  if (count > size) overrun("write");
  return write(file, from, count);
}

/* -- Android's own ---------------------------------------------------------------------------- */

void bionic___assert2(const char *file, int line, const char *function, const char *claim) {
  fprintf(stderr, "androidhost: %s:%d: %s: \"%s\" does not hold\n", file, line, function, claim);
  abort();
}

void bionic_android_set_abort_message(const char *message) {
  fprintf(stderr, "androidhost: aborts: %s\n", message ? message : "(no message)");
}

/* Every property is unset. */
int bionic___system_property_get(const char *name, char *value) {
  (void)name;
  *value = '\0';
  return 0;
}
