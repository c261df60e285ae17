// libtiff's header, and what Swift cannot import of it: functions with variable arguments, and a callback with a
// va_list. Every name of ours begins with ctiff_.
#ifndef CTIFF_SHIM_H
#define CTIFF_SHIM_H
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tiffio.h>

// What libtiff said of a handle: its first error since `line` was cleared, and errno as it was then; and, a line each,
// those of its warnings that tell of a tag that is there and was not read, as far as there is room.
struct ctiff_words {
  int error;
  char line[320];
  char ignored[1600];
};

static inline int ctiff_keep_words(TIFF *tif, void *words, const char *module, const char *format, va_list arguments) {
  int error = errno;
  struct ctiff_words *kept = (struct ctiff_words *)words;
  (void)tif;
  (void)module;
  if (kept && !kept->line[0]) {
    kept->error = error;
    vsnprintf(kept->line, sizeof kept->line, format, arguments);
  }
  return 1;  // The process's own handlers are not asked.
}

static inline int ctiff_keep_ignored(TIFF *tif, void *words, const char *module, const char *format, va_list arguments) {
  struct ctiff_words *kept = (struct ctiff_words *)words;
  const size_t used = strlen(kept->ignored);
  const size_t room = sizeof kept->ignored - used;
  (void)tif;
  (void)module;
  if (!strstr(format, "tag ignored") || room < 200) return 1;
  vsnprintf(kept->ignored + used, room - 1, format, arguments);
  strcat(kept->ignored, "\n");
  return 1;
}

// TIFFFdOpenExt with `words` for errors and warnings, and no allocation of more than `most` bytes.
static inline TIFF *ctiff_open(int fd, const char *name, const char *mode, tmsize_t most, struct ctiff_words *words) {
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (!options) return NULL;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, most);
  TIFFOpenOptionsSetErrorHandlerExtR(options, ctiff_keep_words, words);
  TIFFOpenOptionsSetWarningHandlerExtR(options, ctiff_keep_ignored, words);
  TIFF *tif = TIFFFdOpenExt(fd, name, mode, options);
  TIFFOpenOptionsFree(options);
  return tif;
}

// A tag that is text; NULL where there is none. It lives as long as the directory.
static inline const char *ctiff_text(TIFF *tif, uint32_t tag) {
  const TIFFField *field = TIFFFindField(tif, tag, TIFF_ANY);
  const char *text = NULL;
  if (!field || TIFFFieldDataType(field) != TIFF_ASCII || TIFFFieldPassCount(field)) return NULL;
  return TIFFGetField(tif, tag, &text) ? text : NULL;
}

static inline double ctiff_number(const void *values, long index, TIFFDataType type, int size) {
  switch (type) {
    case TIFF_SBYTE: return ((const int8_t *)values)[index];
    case TIFF_SSHORT: return ((const int16_t *)values)[index];
    case TIFF_SLONG: return ((const int32_t *)values)[index];
    case TIFF_SLONG8: return (double)((const int64_t *)values)[index];
    case TIFF_RATIONAL:
    case TIFF_SRATIONAL:
    case TIFF_FLOAT:
    case TIFF_DOUBLE:
      return size == 8 ? ((const double *)values)[index] : (double)((const float *)values)[index];
    default:
      switch (size) {
        case 1: return ((const uint8_t *)values)[index];
        case 2: return ((const uint16_t *)values)[index];
        case 4: return ((const uint32_t *)values)[index];
        default: return (double)((const uint64_t *)values)[index];
      }
  }
}

// The numbers of a tag, of whatever type: the first `most` of them go to `out`. Returns how many the tag has, or -1
// where the directory has no such tag, or none of numbers.
static inline long ctiff_numbers(TIFF *tif, uint32_t tag, double *out, long most) {
  const TIFFField *field = TIFFFindField(tif, tag, TIFF_ANY);
  if (!field || TIFFFieldDataType(field) == TIFF_ASCII) return -1;
  const int size = TIFFFieldSetGetSize(field);
  const int expected = TIFFFieldReadCount(field);
  const void *values = NULL;
  uint64_t single = 0;
  long count;
  if (size != 1 && size != 2 && size != 4 && size != 8) return -1;
  if (TIFFFieldPassCount(field) && TIFFFieldSetGetCountSize(field) == 4) {
    uint32_t n = 0;
    if (!TIFFGetField(tif, tag, &n, &values)) return -1;
    count = n;
  } else if (TIFFFieldPassCount(field)) {
    uint16_t n = 0;
    if (!TIFFGetField(tif, tag, &n, &values)) return -1;
    count = n;
  } else if (expected == 1) {
    if (!TIFFGetField(tif, tag, &single)) return -1;
    values = &single;
    count = 1;
  } else if (expected > 1) {
    if (!TIFFGetField(tif, tag, &values)) return -1;
    count = expected;
  } else {
    return -1;
  }
  if (count > 0 && !values) return -1;
  for (long index = 0; index < count && index < most; index++) {
    out[index] = ctiff_number(values, index, TIFFFieldDataType(field), size);
  }
  return count;
}

// One of the tags that are the same for all samples of a pixel, such as SampleFormat; `absent` where there is none.
static inline int ctiff_sample_number(TIFF *tif, uint32_t tag, int absent) {
  const TIFFField *field = TIFFFindField(tif, tag, TIFF_ANY);
  uint16_t value = 0;
  if (!field || TIFFFieldSetGetSize(field) != 2 || TIFFFieldPassCount(field)) return absent;
  return TIFFGetField(tif, tag, &value) ? value : absent;
}

// Makes DNG's tags known that libtiff's own list lacks, to a file that is to be written.
static inline int ctiff_know_dng_tags(TIFF *tif) {
  static const TIFFFieldInfo tags[] = {
      {50964, TIFF_VARIABLE2, TIFF_VARIABLE2, TIFF_SRATIONAL, FIELD_CUSTOM, 1, 1, (char *)"ForwardMatrix1"},
      {50965, TIFF_VARIABLE2, TIFF_VARIABLE2, TIFF_SRATIONAL, FIELD_CUSTOM, 1, 1, (char *)"ForwardMatrix2"},
  };
  return TIFFMergeFieldInfo(tif, tags, 2);
}

static inline int ctiff_set_text(TIFF *tif, uint32_t tag, const char *text) { return TIFFSetField(tif, tag, text); }

// Sets a tag that is one whole number.
static inline int ctiff_set_number(TIFF *tif, uint32_t tag, uint32_t value) { return TIFFSetField(tif, tag, value); }

// Sets a tag that is `count` numbers (at most 64, and as many as the tag has to have), whatever their type.
static inline int ctiff_set_numbers(TIFF *tif, uint32_t tag, const double *numbers, int count) {
  const TIFFField *field = TIFFFindField(tif, tag, TIFF_ANY);
  union {
    uint8_t bytes[64];
    uint16_t shorts[64];
    uint32_t longs[64];
    float floats[64];
    double doubles[64];
  } values;
  if (!field || count < 1 || count > 64) return 0;
  const int size = TIFFFieldSetGetSize(field);
  const int expected = TIFFFieldWriteCount(field);
  const TIFFDataType type = TIFFFieldDataType(field);
  const int isReal = type == TIFF_RATIONAL || type == TIFF_SRATIONAL || type == TIFF_FLOAT || type == TIFF_DOUBLE;
  if (expected > 0 && expected != count) return 0;
  for (int index = 0; index < count; index++) {
    const double number = numbers[index];
    if (isReal && size == 8) {
      values.doubles[index] = number;
    } else if (isReal && size == 4) {
      values.floats[index] = (float)number;
    } else if (isReal || number < 0 || number > UINT_MAX) {
      return 0;
    } else if (size == 4) {
      values.longs[index] = (uint32_t)number;
    } else if (size == 2 && number <= USHRT_MAX) {
      values.shorts[index] = (uint16_t)number;
    } else if (size == 1 && number <= UCHAR_MAX) {
      values.bytes[index] = (uint8_t)number;
    } else {
      return 0;
    }
  }
  if (TIFFFieldPassCount(field)) return TIFFSetField(tif, tag, count, &values);
  if (expected != 1) return TIFFSetField(tif, tag, &values);
  return isReal ? TIFFSetField(tif, tag, numbers[0]) : TIFFSetField(tif, tag, (uint32_t)numbers[0]);
}
#endif
