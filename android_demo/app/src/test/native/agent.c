/* The JVM agent: opens the stand-ins and then the Android libraries before any Java code runs.
 *
 * Two things are essential. The Android libraries are opened as one group whose first member needs
 * libexecutorch: searched in bionic's order, its copies of the C++ runtime come before those of
 * libfbjni's libc++_shared, without which a C++ exception of one is not caught in another. And
 * RTLD_DEEPBIND: the group is searched before the process, into which libjvm has brought
 * libstdc++, with other functions of the same names.
 *
 * System.loadLibrary("executorch") later finds the library loaded and calls its JNI_OnLoad.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <jni.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static void *open_beside(const char *folder, int length, const char *name, int flags) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%.*s/%s", length, folder, name);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | flags);
  if (!library) fprintf(stderr, "androidhost: %s\n", dlerror());
  return library;
}

/* options: "log=LETTER", the lowest priority of Android's log that is shown. */
static int set_log(void *liblog, const char *options) {
  static const char key[] = "log=", letters[] = "??VDIWEFS";
  if (!options || !*options) return JNI_OK;
  const char *letter = NULL;
  if (!strncmp(options, key, sizeof key - 1) && strlen(options) == sizeof key)
    letter = strchr(letters + 2, options[sizeof key - 1]);
  if (!letter) {
    fprintf(stderr, "androidhost: unknown option %s, use log=V, D, I, W, E, F or S\n", options);
    return JNI_ERR;
  }
  *(int *)dlsym(liblog, "androidhost_lowest_priority") = (int)(letter - letters);
  return JNI_OK;
}

JNIEXPORT jint JNICALL Agent_OnLoad(JavaVM *vm, char *options, void *reserved) {
  (void)vm;
  (void)reserved;
  Dl_info self;
  const char *name;
  if (!dladdr((void *)Agent_OnLoad, &self) || !(name = strrchr(self.dli_fname, '/'))) {
    fprintf(stderr, "androidhost: give the agent by its whole path (-agentpath)\n");
    return JNI_ERR;
  }
  int length = (int)(name - self.dli_fname);
  /* Known by their sonames from here on, so that nobody looks for them elsewhere. */
  static const char *const stand_ins[] = {"libc.so", "libm.so", "libdl.so", "libandroid.so"};
  for (size_t i = 0; i < sizeof stand_ins / sizeof *stand_ins; i++)
    if (!open_beside(self.dli_fname, length, stand_ins[i], 0)) return JNI_ERR;
  void *liblog = open_beside(self.dli_fname, length, "liblog.so", 0);
  if (!liblog || set_log(liblog, options) != JNI_OK) return JNI_ERR;
  return open_beside(self.dli_fname, length, "libgroup.so", RTLD_DEEPBIND) ? JNI_OK : JNI_ERR;
}
