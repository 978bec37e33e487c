/* The functions of Android's libc, each under the name and version that Android libraries ask for.
 *
 * imports.h, written when this is built, has one FORWARD(name, version, target) for each imported
 * function: `target` is bionic_NAME where this folder has one, else glibc's function of that name.
 * A jump leaves registers and stack as the caller set them up, so no signature is needed. Symbols
 * get names of their own here, so that `target` can never mean the jump itself.
 */
#define FORWARD(name, version, target)                        \
  __asm__(".text\n"                                           \
          ".globl to_" #name "_" #version "\n"                \
          ".type to_" #name "_" #version ", @function\n"      \
          "to_" #name "_" #version ":\n"                      \
          "  jmp *" #target "@GOTPCREL(%rip)\n"               \
          ".size to_" #name "_" #version ", 8\n"              \
          ".symver to_" #name "_" #version ", " #name "@" #version "\n");

#include "imports.h"
