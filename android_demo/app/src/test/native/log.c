/* Android's log, to stderr as PRIORITY/TAG: MESSAGE. The agent sets the lowest priority shown. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char letters[] = "??VDIWEFS"; /* by priority: 2 is verbose, 7 fatal, 8 silent */
enum { FATAL = 7, MESSAGE_SIZE = 4096 };

int androidhost_lowest_priority = 2;

int __android_log_write(int priority, const char *tag, const char *message) {
  if (priority < androidhost_lowest_priority) return 0;
  char letter = priority >= 0 && priority < (int)sizeof letters - 1 ? letters[priority] : '?';
  return fprintf(stderr, "%c/%s: %s\n", letter, tag ? tag : "", message ? message : "");
}

int __android_log_vprint(int priority, const char *tag, const char *format, va_list values) {
  char message[MESSAGE_SIZE];
  vsnprintf(message, sizeof message, format, values);
  return __android_log_write(priority, tag, message);
}

int __android_log_print(int priority, const char *tag, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int written = __android_log_vprint(priority, tag, format, values);
  va_end(values);
  return written;
}

void __android_log_assert(const char *claim, const char *tag, const char *format, ...) {
  if (format) {
    va_list values;
    va_start(values, format);
    __android_log_vprint(FATAL, tag, format, values);
    va_end(values);
  } else {
    __android_log_print(FATAL, tag, "does not hold: %s", claim ? claim : "(unknown)");
  }
  abort();
}
