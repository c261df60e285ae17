// ALSA's headers. What ours beside them does: libasound writes what it finds wrong to standard error, which is the
// user's and not a library's; the number that a call returns says enough.
#ifndef CALSA_SHIM_H
#define CALSA_SHIM_H
#include <alsa/asoundlib.h>

static inline void calsa_say_nothing(
    const char *file, int line, const char *function, int number, const char *format, ...) {
  (void)file, (void)line, (void)function, (void)number, (void)format;
}

static inline void calsa_be_quiet(void) { snd_lib_error_set_handler(calsa_say_nothing); }
#endif
