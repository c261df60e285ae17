// FFmpeg's headers, and what Swift cannot import of them: error tags and constants made by function-like macros, what
// is spelt differently in the releases that camd is built with (5.1 to 7.1), and a callback with a va_list.
// Every name of ours begins with CFFMPEG_ or cffmpeg_.
#ifndef CFFMPEG_SHIM_H
#define CFFMPEG_SHIM_H
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswresample/swresample.h>

static const int CFFMPEG_ERROR_EOF = AVERROR_EOF;
static const int CFFMPEG_ERROR_AGAIN = AVERROR(EAGAIN);
static const int CFFMPEG_ERROR_MUXER_NOT_FOUND = AVERROR_MUXER_NOT_FOUND;
static const int64_t CFFMPEG_NO_PTS = AV_NOPTS_VALUE;
static inline int cffmpeg_error(int number) { return AVERROR(number); }

// The pixel formats that an encoder takes, ended by AV_PIX_FMT_NONE; NULL where it does not say.
// AVCodec.pix_fmts is deprecated from libavcodec 61.13 (FFmpeg 7.1) on.
static inline const enum AVPixelFormat *cffmpeg_pixel_formats(const AVCodec *codec) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(61, 13, 100)
  const void *list = NULL;
  if (avcodec_get_supported_config(NULL, codec, AV_CODEC_CONFIG_PIX_FORMAT, 0, &list, NULL) < 0) return NULL;
  return (const enum AVPixelFormat *)list;
#else
  return codec->pix_fmts;
#endif
}

// libav* tells why a call failed in its log only. The log goes nowhere but here: the first line of level error or
// worse since `cffmpeg_forget_words`, for each thread. To be used from one Swift file only: each file that imports
// these has a copy of its own.
static inline char *cffmpeg_words(void) {
  static _Thread_local char line[320];
  return line;
}

static inline void cffmpeg_keep_words(void *object, int level, const char *format, va_list arguments) {
  (void)object;
  if (level <= AV_LOG_ERROR && !cffmpeg_words()[0]) vsnprintf(cffmpeg_words(), 320, format, arguments);
}

static inline void cffmpeg_take_over_log(void) { av_log_set_callback(cffmpeg_keep_words); }
static inline void cffmpeg_forget_words(void) { cffmpeg_words()[0] = 0; }
#endif
