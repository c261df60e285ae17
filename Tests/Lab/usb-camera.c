// usb-camera.c: a USB camera that is a program, for the lab. It stands at the other end of the guest's USB controller
// (raw-gadget on dummy_hcd), speaks UVC 1.0 over a bulk endpoint, and sends bars as MJPG or as YUYV. It can be a bad
// one.
//
//   cc -O2 -o usb-camera usb-camera.c -lturbojpeg -lpthread
//   usb-camera [OPTION ...]      ends at SIGTERM, which unplugs it
//     -z WxH         a frame size; up to four times, the first is the camera's default (default: 1280x720 and 640x480)
//     -j FPS         its rate in MJPG (default: 30); 0: it has no MJPG
//     -y FPS         its rate in YUYV (default: 5); 0: it has no YUYV
//     -s SAMPLING    of its JPEGs: 420, 422 (default), 440, 444, 411, grey
//     -b FAULT[:N]   every Nth JPEG (default: each) is bad; may be given several times, the first that fits holds
//     -n COUNT       goes silent after so many frames, with the stream still on
//     -d COUNT       unplugs itself after so many frames
//     -v             tells what it does
//
// FAULTs: truncated (its second half is missing), stub (it ends within its first tables), garbage (random bytes), noise
// (random bytes within the picture's data), no-tables (as many webcams send it: without Huffman tables), wrong-size (half
// of the width and height), huge (a progressive picture of 65500x65500, as its header says), other-sampling (grey where it
// was not, else 420), tail (bytes behind the picture's end).
//
// The picture: vivid's eight bars, and a white square that moves along the lower edge.
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/usb/ch9.h>
#include <linux/usb/raw_gadget.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <turbojpeg.h>
#include <unistd.h>

enum { MOST_SIZES = 4, MOST_FAULTS = 8, PICTURES = 8, PACKET = 512, CHUNK = 4096, HEADER = 2 };
enum { CONTROL_INTERFACE, STREAMING_INTERFACE };
enum { CAMERA_TERMINAL = 1, OUTPUT_TERMINAL = 2 };
enum { PROBE = 1, COMMIT = 2 };
enum { SET_CUR = 0x01, GET_CUR = 0x81, GET_MIN, GET_MAX, GET_RES, GET_LEN, GET_INFO, GET_DEF };

typedef struct {
  unsigned char *bytes;
  unsigned long length;
} picture;

typedef struct {
  const char *name;
  unsigned every;
} fault;

// struct uvc_streaming_control of UVC 1.0.
struct __attribute__((packed)) streaming {
  uint16_t hint;
  uint8_t format, frame;
  uint32_t interval;
  uint16_t key_rate, p_rate, quality, window, delay;
  uint32_t frame_bytes, payload_bytes;
};

static int device;
static int verbose;
static unsigned widths[MOST_SIZES], heights[MOST_SIZES], sizes;
static unsigned mjpg_rate = 30, yuyv_rate = 5, mjpg_format, yuyv_format;
static int sampling = TJSAMP_422;
static fault faults[MOST_FAULTS];
static unsigned fault_count;
static unsigned long silent_after, unplug_after;
static struct streaming current;
static atomic_uint commits;  // counted up at each COMMIT's begin and end: what is sent for an earlier number is stale
static atomic_int is_sending;
static atomic_int endpoint = -1;
static pthread_t sender;

static void die(const char *what) {
  fprintf(stderr, "usb-camera: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void usage(const char *what) {
  fprintf(stderr, "usb-camera: %s (see the head of usb-camera.c)\n", what);
  exit(64);
}

// ---- The picture.

static const unsigned char bars[8][3] = {{191, 191, 191}, {191, 191, 0}, {0, 191, 191}, {0, 191, 0},
                                         {191, 0, 191},   {191, 0, 0},   {0, 0, 191},   {0, 0, 0}};

static void color_at(unsigned x, unsigned y, unsigned width, unsigned height, unsigned number, unsigned char *rgb) {
  unsigned left = width / PICTURES * (number % PICTURES);
  if (y + 32 >= height && x >= left && x < left + 32)
    memset(rgb, 235, 3);
  else
    memcpy(rgb, bars[x * 8 / width], 3);
}

static picture jpeg(unsigned width, unsigned height, unsigned number, int subsampling) {
  unsigned char *rgb = malloc(width * height * 3);
  for (unsigned y = 0; y < height; y++)
    for (unsigned x = 0; x < width; x++) color_at(x, y, width, height, number, rgb + (y * width + x) * 3);
  picture made = {NULL, 0};
  tjhandle handle = tjInitCompress();
  if (!handle || tjCompress2(handle, rgb, width, 0, height, TJPF_RGB, &made.bytes, &made.length, subsampling, 90, 0)) {
    fprintf(stderr, "usb-camera: JPEG: %s\n", tjGetErrorStr2(handle));
    exit(1);
  }
  tjDestroy(handle);
  free(rgb);
  return made;
}

static picture yuyv(unsigned width, unsigned height, unsigned number) {
  picture made = {malloc(width * height * 2), width * height * 2};
  for (unsigned y = 0; y < height; y++)
    for (unsigned x = 0; x < width; x++) {
      unsigned char c[3];
      color_at(x & ~1u, y, width, height, number, c);
      double luma = (0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]) / 255;
      double chroma = x & 1 ? (c[0] / 255.0 - luma) / 1.402 : (c[2] / 255.0 - luma) / 1.772;
      made.bytes[(y * width + x) * 2] = (unsigned char)(16.5 + 219 * luma);
      made.bytes[(y * width + x) * 2 + 1] = (unsigned char)(128.5 + 224 * chroma);
    }
  return made;
}

// ---- Its faults.

// Where a marker's segment begins, from its 0xff on; 0 where there is none before the picture's data.
static unsigned long segment(const picture *p, unsigned char marker) {
  unsigned long at = 2;
  while (at + 4 <= p->length && p->bytes[at] == 0xff) {
    if (p->bytes[at + 1] == marker) return at;
    if (p->bytes[at + 1] == 0xda) return 0;
    at += 2 + p->bytes[at + 2] * 256u + p->bytes[at + 3];
  }
  return 0;
}

static void remove_bytes(picture *p, unsigned long at, unsigned long length) {
  memmove(p->bytes + at, p->bytes + at + length, p->length - at - length);
  p->length -= length;
}

static picture spoilt(const char *name, unsigned width, unsigned height, unsigned number) {
  picture p;
  if (!strcmp(name, "wrong-size")) return jpeg(width / 2, height / 2, number, sampling);
  if (!strcmp(name, "other-sampling"))
    return jpeg(width, height, number, sampling == TJSAMP_GRAY ? TJSAMP_420 : TJSAMP_GRAY);
  p = jpeg(width, height, number, sampling);
  if (!strcmp(name, "truncated")) {
    p.length /= 2;
  } else if (!strcmp(name, "stub")) {
    p.length = 22;
  } else if (!strcmp(name, "garbage")) {
    for (unsigned long i = 0; i < p.length; i++) p.bytes[i] = (unsigned char)rand();
  } else if (!strcmp(name, "noise")) {
    for (unsigned long i = segment(&p, 0xda) + 14; i < p.length - 2; i++) p.bytes[i] = (unsigned char)rand();
  } else if (!strcmp(name, "no-tables")) {
    unsigned long at;
    while ((at = segment(&p, 0xc4))) remove_bytes(&p, at, 2 + p.bytes[at + 2] * 256u + p.bytes[at + 3]);
  } else if (!strcmp(name, "huge")) {
    unsigned long at = segment(&p, 0xc0);
    p.bytes[at + 1] = 0xc2;
    for (int i = 0; i < 2; i++) {
      p.bytes[at + 5 + 2 * i] = 65500 >> 8;
      p.bytes[at + 6 + 2 * i] = 65500 & 0xff;
    }
  } else if (!strcmp(name, "tail")) {
    p.bytes = realloc(p.bytes, p.length + 200);
    memset(p.bytes + p.length, 0, 200);
    p.length += 200;
  } else {
    usage(name);
  }
  return p;
}

// ---- USB.

static unsigned char configuration[1024];
static unsigned configuration_length;

static void put(unsigned value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; i++) configuration[configuration_length++] = (unsigned char)(value >> (8 * i));
}
static void put_all(const unsigned char *bytes, unsigned length) {
  for (unsigned i = 0; i < length; i++) put(bytes[i], 1);
}
static void patch(unsigned at, unsigned value) {
  configuration[at] = (unsigned char)value;
  configuration[at + 1] = (unsigned char)(value >> 8);
}

static unsigned frame_bytes(unsigned size) { return widths[size] * heights[size] * 2; }

static void put_format(int is_mjpg, unsigned index, unsigned rate) {
  static const unsigned char yuy2[16] = {'Y', 'U', 'Y', '2', 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71};
  put(is_mjpg ? 11 : 27, 1), put(0x24, 1), put(is_mjpg ? 6 : 4, 1), put(index, 1), put(sizes, 1);
  if (is_mjpg) {
    put(1, 1);  // all samples are of one size
  } else {
    put_all(yuy2, sizeof yuy2);
    put(16, 1);
  }
  put(1, 1), put(0, 2), put(0, 1), put(0, 1);
  for (unsigned size = 0; size < sizes; size++) {
    put(30, 1), put(0x24, 1), put(is_mjpg ? 7 : 5, 1), put(size + 1, 1), put(0, 1);
    put(widths[size], 2), put(heights[size], 2);
    put(frame_bytes(size) * 8, 4), put(frame_bytes(size) * 8 * rate, 4), put(frame_bytes(size), 4);
    put(10000000 / rate, 4), put(1, 1), put(10000000 / rate, 4);
  }
  // sRGB's primaries and curve, BT.601's matrix.
  put(6, 1), put(0x24, 1), put(0x0d, 1), put(1, 1), put(1, 1), put(4, 1);
}

static void make_configuration(void) {
  put(9, 1), put(USB_DT_CONFIG, 1), put(0, 2), put(2, 1), put(1, 1), put(0, 1), put(0x80, 1), put(50, 1);
  put(8, 1), put(USB_DT_INTERFACE_ASSOCIATION, 1), put(CONTROL_INTERFACE, 1), put(2, 1), put(USB_CLASS_VIDEO, 1);
  put(3, 1), put(0, 1), put(2, 1);
  put(9, 1), put(USB_DT_INTERFACE, 1), put(CONTROL_INTERFACE, 1), put(0, 1), put(0, 1), put(USB_CLASS_VIDEO, 1);
  put(1, 1), put(0, 1), put(2, 1);
  put(13, 1), put(0x24, 1), put(1, 1), put(0x0100, 2), put(13 + 17 + 9, 2), put(1000000, 4), put(1, 1);
  put(STREAMING_INTERFACE, 1);
  put(17, 1), put(0x24, 1), put(2, 1), put(CAMERA_TERMINAL, 1), put(0x0201, 2), put(0, 2), put(0, 6), put(2, 1);
  put(0, 2);
  put(9, 1), put(0x24, 1), put(3, 1), put(OUTPUT_TERMINAL, 1), put(0x0101, 2), put(0, 1), put(CAMERA_TERMINAL, 1);
  put(0, 1);
  // A bulk camera has its endpoint in the only setting.
  put(9, 1), put(USB_DT_INTERFACE, 1), put(STREAMING_INTERFACE, 1), put(0, 1), put(1, 1), put(USB_CLASS_VIDEO, 1);
  put(2, 1), put(0, 1), put(0, 1);
  unsigned header = configuration_length, formats = (mjpg_rate > 0) + (yuyv_rate > 0);
  put(13 + formats, 1), put(0x24, 1), put(1, 1), put(formats, 1), put(0, 2), put(0x81, 1), put(0, 1);
  put(OUTPUT_TERMINAL, 1), put(0, 3), put(1, 1), put(0, formats);
  unsigned index = 0;
  if (yuyv_rate > 0) put_format(0, yuyv_format = ++index, yuyv_rate);
  if (mjpg_rate > 0) put_format(1, mjpg_format = ++index, mjpg_rate);
  patch(header + 4, configuration_length - header);
  put(7, 1), put(USB_DT_ENDPOINT, 1), put(0x81, 1), put(USB_ENDPOINT_XFER_BULK, 1), put(PACKET, 2), put(0, 1);
  patch(2, configuration_length);
}

static const struct usb_device_descriptor device_descriptor = {
    .bLength = USB_DT_DEVICE_SIZE, .bDescriptorType = USB_DT_DEVICE, .bcdUSB = 0x0200, .bDeviceClass = 0xef,
    .bDeviceSubClass = 2, .bDeviceProtocol = 1, .bMaxPacketSize0 = 64, .idVendor = 0x1209, .idProduct = 0x0001,
    .bcdDevice = 0x0100, .iManufacturer = 1, .iProduct = 2, .iSerialNumber = 0, .bNumConfigurations = 1};
static const struct usb_endpoint_descriptor endpoint_descriptor = {
    .bLength = USB_DT_ENDPOINT_SIZE, .bDescriptorType = USB_DT_ENDPOINT, .bEndpointAddress = 0x81,
    .bmAttributes = USB_ENDPOINT_XFER_BULK, .wMaxPacketSize = PACKET};

struct io {
  struct usb_raw_ep_io head;
  unsigned char bytes[CHUNK];
};

static void stall(void) { ioctl(device, USB_RAW_IOCTL_EP0_STALL, 0); }

static void answer(const void *bytes, unsigned length, unsigned most) {
  struct io io = {{0, 0, length < most ? length : most}, {0}};
  memcpy(io.bytes, bytes, io.head.length);
  ioctl(device, USB_RAW_IOCTL_EP0_WRITE, &io);
}

static int take(void *bytes, unsigned length) {
  struct io io = {{0, 0, length}, {0}};
  int got = ioctl(device, USB_RAW_IOCTL_EP0_READ, &io);
  if (got > 0 && bytes) memcpy(bytes, io.bytes, (unsigned)got);
  return got;
}

static void answer_string(unsigned index, unsigned most) {
  const char *text = index == 1 ? "camd" : "camd lab camera";
  unsigned char bytes[64] = {4, USB_DT_STRING, 0x09, 0x04};
  if (index > 0) {
    bytes[0] = (unsigned char)(2 + 2 * strlen(text));
    for (unsigned i = 0; text[i]; i++) bytes[2 + 2 * i] = (unsigned char)text[i], bytes[3 + 2 * i] = 0;
  }
  answer(bytes, bytes[0], most);
}

// What a host asks for, made into something that this camera has.
static void settle(struct streaming *s) {
  if (s->format < 1 || s->format > (mjpg_rate > 0) + (yuyv_rate > 0)) s->format = 1;
  if (s->frame < 1 || s->frame > sizes) s->frame = 1;
  s->interval = htole32(10000000 / (s->format == mjpg_format ? mjpg_rate : yuyv_rate));
  s->frame_bytes = htole32(frame_bytes(s->frame - 1u));
  s->payload_bytes = htole32(frame_bytes(s->frame - 1u) + PACKET);
}

static void stop_sending(void) {
  atomic_fetch_add(&commits, 1);
  while (atomic_load(&is_sending)) {
    pthread_kill(sender, SIGUSR1);
    usleep(1000);
  }
}

static void stream_control(const struct usb_ctrlrequest *r) {
  static struct streaming probe;
  unsigned selector = r->wValue >> 8;
  if ((selector != PROBE && selector != COMMIT) || (r->wIndex & 0xff) != STREAMING_INTERFACE) return stall();
  struct streaming value = selector == PROBE ? probe : current;
  switch (r->bRequest) {
    case SET_CUR: {
      unsigned char bytes[CHUNK] = {0};
      // Before the host hears that it is committed: what an earlier stream left to be sent may not come in this one.
      if (selector == COMMIT) stop_sending();
      if (r->wLength > sizeof bytes || take(bytes, r->wLength) < 0) return;
      memcpy(&probe, bytes, sizeof probe);
      settle(&probe);
      if (selector == PROBE) return;
      current = probe;
      atomic_fetch_add(&commits, 1);
      if (verbose) fprintf(stderr, "usb-camera: commit format %d frame %d\n", current.format, current.frame);
      return;
    }
    case GET_INFO: return answer(&(unsigned char){3}, 1, r->wLength);
    case GET_LEN: return answer(&(unsigned char[]){sizeof value, 0}, 2, r->wLength);
    case GET_CUR: break;
    case GET_MIN: case GET_MAX: case GET_DEF: break;
    default: return stall();
  }
  settle(&value);
  answer(&value, sizeof value, r->wLength);
}

static void standard(const struct usb_ctrlrequest *r) {
  switch (r->bRequest) {
    case USB_REQ_GET_DESCRIPTOR:
      switch (r->wValue >> 8) {
        case USB_DT_DEVICE: return answer(&device_descriptor, sizeof device_descriptor, r->wLength);
        case USB_DT_CONFIG: return answer(configuration, configuration_length, r->wLength);
        case USB_DT_STRING: return answer_string(r->wValue & 0xff, r->wLength);
        default: return stall();
      }
    case USB_REQ_SET_CONFIGURATION:
      if (endpoint < 0) {
        endpoint = ioctl(device, USB_RAW_IOCTL_EP_ENABLE, &endpoint_descriptor);
        if (endpoint < 0) die("EP_ENABLE");
      }
      ioctl(device, USB_RAW_IOCTL_VBUS_DRAW, 50);
      ioctl(device, USB_RAW_IOCTL_CONFIGURE, 0);
      take(NULL, 0);
      return;
    case USB_REQ_SET_INTERFACE: take(NULL, 0); return;
    case USB_REQ_GET_INTERFACE: return answer(&(unsigned char){0}, 1, r->wLength);
    default: stall();
  }
}

// ---- Sending.

static void interrupted(int number) { (void)number; }

// False when a new COMMIT came meanwhile.
static int send_frame(const picture *p, int toggle, unsigned generation) {
  unsigned long sent = 0, total = p->length + HEADER;
  struct io io;
  while (sent < total) {
    unsigned length = total - sent < CHUNK ? (unsigned)(total - sent) : CHUNK, skip = 0;
    io.head = (struct usb_raw_ep_io){(uint16_t)endpoint, sent + length == total ? USB_RAW_IO_FLAGS_ZERO : 0, length};
    if (sent == 0) {
      // One payload is one frame: its header says that it ends one.
      io.bytes[0] = HEADER;
      io.bytes[1] = (unsigned char)(0x82 | toggle);
      skip = HEADER;
    }
    memcpy(io.bytes + skip, p->bytes + sent + skip - HEADER, length - skip);
    int result = ioctl(device, USB_RAW_IOCTL_EP_WRITE, &io);
    if (atomic_load(&commits) != generation) return 0;
    if (result < 0) {
      if (errno == EINTR) continue;
      if (verbose) fprintf(stderr, "usb-camera: EP_WRITE: %s\n", strerror(errno));
      usleep(10000);
      return 1;
    }
    sent += length;
  }
  return 1;
}

static void send_stream(unsigned generation) {
  struct streaming mode = current;
  int is_mjpg = mode.format == mjpg_format;
  unsigned width = widths[mode.frame - 1], height = heights[mode.frame - 1];
  picture good[PICTURES], bad[MOST_FAULTS];
  for (unsigned i = 0; i < PICTURES; i++)
    good[i] = is_mjpg ? jpeg(width, height, i, sampling) : yuyv(width, height, i);
  for (unsigned i = 0; i < fault_count && is_mjpg; i++) bad[i] = spoilt(faults[i].name, width, height, 0);
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (unsigned long number = 1; atomic_load(&commits) == generation; number++) {
    if (unplug_after && number > unplug_after) exit(0);
    if (silent_after && number > silent_after) {
      usleep(100000);
      number--;
      continue;
    }
    const picture *p = &good[number % PICTURES];
    for (unsigned i = 0; i < fault_count && is_mjpg; i++)
      if (number % faults[i].every == 0) {
        p = &bad[i];
        break;
      }
    if (!send_frame(p, number & 1, generation)) break;
    next.tv_nsec += 1000000000 / (is_mjpg ? mjpg_rate : yuyv_rate);
    if (next.tv_nsec >= 1000000000) next.tv_nsec -= 1000000000, next.tv_sec++;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > next.tv_sec || (now.tv_sec == next.tv_sec && now.tv_nsec > next.tv_nsec))
      next = now;  // the host was not there, or is slow
    else
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
  }
  for (unsigned i = 0; i < PICTURES; i++) is_mjpg ? tjFree(good[i].bytes) : free(good[i].bytes);
}

_Noreturn static void *send_all(void *unused) {
  (void)unused;
  unsigned seen = 0;
  while (1) {
    unsigned generation = atomic_load(&commits);
    // Even ones are settled.
    if (generation == seen || generation % 2) {
      usleep(2000);
      continue;
    }
    seen = generation;
    atomic_store(&is_sending, 1);
    send_stream(generation);
    atomic_store(&is_sending, 0);
  }
}

// ---- The program.

static void options(int count, char **words) {
  static const struct { const char *name; int value; } samplings[] = {
      {"420", TJSAMP_420}, {"422", TJSAMP_422}, {"440", TJSAMP_440}, {"444", TJSAMP_444}, {"411", TJSAMP_411},
      {"grey", TJSAMP_GRAY}};
  int option;
  while ((option = getopt(count, words, "z:j:y:s:b:n:d:v")) != -1) switch (option) {
      case 'z':
        if (sizes == MOST_SIZES || sscanf(optarg, "%ux%u", &widths[sizes], &heights[sizes]) != 2) usage("-z WxH");
        sizes++;
        break;
      case 'j': mjpg_rate = (unsigned)atoi(optarg); break;
      case 'y': yuyv_rate = (unsigned)atoi(optarg); break;
      case 's':
        sampling = -1;
        for (unsigned i = 0; i < sizeof samplings / sizeof *samplings; i++)
          if (!strcmp(optarg, samplings[i].name)) sampling = samplings[i].value;
        if (sampling < 0) usage("-s SAMPLING");
        break;
      case 'b': {
        if (fault_count == MOST_FAULTS) usage("too many faults");
        char *colon = strchr(optarg, ':');
        if (colon) *colon = 0;
        faults[fault_count++] = (fault){optarg, colon && atoi(colon + 1) > 0 ? (unsigned)atoi(colon + 1) : 1};
        spoilt(optarg, 64, 64, 0);  // a name that is none ends here
        break;
      }
      case 'n': silent_after = strtoul(optarg, NULL, 10); break;
      case 'd': unplug_after = strtoul(optarg, NULL, 10); break;
      case 'v': verbose = 1; break;
      default: usage("unknown option");
    }
  if (sizes == 0) {
    widths[0] = 1280, heights[0] = 720, widths[1] = 640, heights[1] = 480;
    sizes = 2;
  }
  if (mjpg_rate == 0 && yuyv_rate == 0) usage("a camera without a format");
}

int main(int count, char **words) {
  options(count, words);
  make_configuration();
  // Whoever started this may have blocked what it waits for.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  // Not restarted: a write that nobody takes ends with EINTR, and what a stream before began is not sent in this one.
  sigaction(SIGUSR1, &(struct sigaction){.sa_handler = interrupted}, NULL);
  device = open("/dev/raw-gadget", O_RDWR);
  if (device < 0) die("/dev/raw-gadget");
  struct usb_raw_init init = {.driver_name = "dummy_udc", .device_name = "dummy_udc.0", .speed = USB_SPEED_HIGH};
  if (ioctl(device, USB_RAW_IOCTL_INIT, &init)) die("USB_RAW_IOCTL_INIT");
  if (ioctl(device, USB_RAW_IOCTL_RUN, 0)) die("USB_RAW_IOCTL_RUN");
  if (pthread_create(&sender, NULL, send_all, NULL)) die("pthread_create");
  while (1) {
    struct {
      struct usb_raw_event head;
      struct usb_ctrlrequest request;
    } event = {{0, sizeof event.request}, {0}};
    if (ioctl(device, USB_RAW_IOCTL_EVENT_FETCH, &event)) {
      if (errno == EINTR) continue;
      die("USB_RAW_IOCTL_EVENT_FETCH");
    }
    if (event.head.type != USB_RAW_EVENT_CONTROL) continue;
    struct usb_ctrlrequest *r = &event.request;
    r->wValue = le16toh(r->wValue), r->wIndex = le16toh(r->wIndex), r->wLength = le16toh(r->wLength);
    if (verbose)
      fprintf(stderr, "usb-camera: %02x %02x %04x %04x %u\n", r->bRequestType, r->bRequest, r->wValue, r->wIndex,
              r->wLength);
    if ((r->bRequestType & USB_TYPE_MASK) == USB_TYPE_STANDARD)
      standard(r);
    else if ((r->bRequestType & USB_TYPE_MASK) == USB_TYPE_CLASS)
      stream_control(r);
    else
      stall();
  }
}
