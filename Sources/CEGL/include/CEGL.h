// What Swift cannot import of EGL's and GLES's headers: the sentinels (casts of integers to pointers), the extension
// calls (looked up once, called through these inlines), DRM fourccs and requests of ioctl (function-like macros).
// Every name of ours begins with CEGL_ or cegl_.
#ifndef CEGL_H
#define CEGL_H

#define EGL_EGLEXT_PROTOTYPES 0
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <GLES2/gl2ext.h>
#include <fcntl.h>
#include <gbm.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

static const EGLint CEGL_NONE = EGL_NONE;
static inline int cegl_is_no_display(EGLDisplay d) { return d == EGL_NO_DISPLAY; }
static inline int cegl_is_no_context(EGLContext c) { return c == EGL_NO_CONTEXT; }
static inline int cegl_is_no_image(EGLImageKHR i) { return i == EGL_NO_IMAGE_KHR; }
static inline int cegl_is_no_sync(EGLSyncKHR s) { return s == EGL_NO_SYNC_KHR; }
static inline int cegl_make_current(EGLDisplay d, EGLContext c) {
  return eglMakeCurrent(d, EGL_NO_SURFACE, EGL_NO_SURFACE, c) == EGL_TRUE;
}
static inline int cegl_release_current(EGLDisplay d) {
  return eglMakeCurrent(d, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT) == EGL_TRUE;
}
static inline const char *cegl_client_extensions(void) { return eglQueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS); }
// tells_resets: the context is lost when the GPU is reset, and says so (EGL_EXT_create_context_robustness).
static inline EGLContext cegl_create_context(EGLDisplay d, EGLConfig config, int has_config, int major,
                                             int tells_resets) {
  const EGLint attributes[] = {EGL_CONTEXT_CLIENT_VERSION, major,
                               tells_resets ? EGL_CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY_EXT : EGL_NONE,
                               EGL_LOSE_CONTEXT_ON_RESET_EXT, EGL_NONE};
  return eglCreateContext(d, has_config ? config : (EGLConfig)0, EGL_NO_CONTEXT, attributes);
}

// The extension calls that camd uses. eglGetProcAddress answers non-null for any name, so the extension's token has to
// be checked before a call is made through this table.
struct cegl_calls {
  PFNEGLGETPLATFORMDISPLAYEXTPROC get_platform_display;
  PFNEGLCREATEIMAGEKHRPROC create_image;
  PFNEGLDESTROYIMAGEKHRPROC destroy_image;
  PFNEGLCREATESYNCKHRPROC create_sync;
  PFNEGLDESTROYSYNCKHRPROC destroy_sync;
  PFNEGLCLIENTWAITSYNCKHRPROC client_wait_sync;
  PFNEGLDUPNATIVEFENCEFDANDROIDPROC dup_native_fence;
  PFNGLEGLIMAGETARGETTEXTURE2DOESPROC image_target_texture;
  PFNGLGETGRAPHICSRESETSTATUSEXTPROC reset_status_ext;
  PFNGLGETGRAPHICSRESETSTATUSKHRPROC reset_status_khr;
  PFNEGLQUERYDISPLAYATTRIBEXTPROC query_display;
  PFNEGLQUERYDEVICESTRINGEXTPROC query_device;
};
static inline struct cegl_calls cegl_load_calls(void) {
  struct cegl_calls c;
  c.get_platform_display = (PFNEGLGETPLATFORMDISPLAYEXTPROC)eglGetProcAddress("eglGetPlatformDisplayEXT");
  c.create_image = (PFNEGLCREATEIMAGEKHRPROC)eglGetProcAddress("eglCreateImageKHR");
  c.destroy_image = (PFNEGLDESTROYIMAGEKHRPROC)eglGetProcAddress("eglDestroyImageKHR");
  c.create_sync = (PFNEGLCREATESYNCKHRPROC)eglGetProcAddress("eglCreateSyncKHR");
  c.destroy_sync = (PFNEGLDESTROYSYNCKHRPROC)eglGetProcAddress("eglDestroySyncKHR");
  c.client_wait_sync = (PFNEGLCLIENTWAITSYNCKHRPROC)eglGetProcAddress("eglClientWaitSyncKHR");
  c.dup_native_fence = (PFNEGLDUPNATIVEFENCEFDANDROIDPROC)eglGetProcAddress("eglDupNativeFenceFDANDROID");
  c.image_target_texture = (PFNGLEGLIMAGETARGETTEXTURE2DOESPROC)eglGetProcAddress("glEGLImageTargetTexture2DOES");
  c.reset_status_ext = (PFNGLGETGRAPHICSRESETSTATUSEXTPROC)eglGetProcAddress("glGetGraphicsResetStatusEXT");
  c.reset_status_khr = (PFNGLGETGRAPHICSRESETSTATUSKHRPROC)eglGetProcAddress("glGetGraphicsResetStatusKHR");
  c.query_display = (PFNEGLQUERYDISPLAYATTRIBEXTPROC)eglGetProcAddress("eglQueryDisplayAttribEXT");
  c.query_device = (PFNEGLQUERYDEVICESTRINGEXTPROC)eglGetProcAddress("eglQueryDeviceStringEXT");
  return c;
}
static inline EGLDisplay cegl_surfaceless_display(const struct cegl_calls *c) {
  return c->get_platform_display(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, (void *)0);
}
static inline EGLDisplay cegl_gbm_display(const struct cegl_calls *c, struct gbm_device *g) {
  return c->get_platform_display(EGL_PLATFORM_GBM_KHR, g, (void *)0);
}
// 0 (GL_NO_ERROR), or why the context is lost (GL_EXT_robustness, GL_KHR_robustness).
static inline GLenum cegl_reset_status_ext(const struct cegl_calls *c) { return c->reset_status_ext(); }
static inline GLenum cegl_reset_status_khr(const struct cegl_calls *c) { return c->reset_status_khr(); }
// The device behind a display (EGL_EXT_device_query), as one of its strings; null where there is none.
static inline const char *cegl_device_string(const struct cegl_calls *c, EGLDisplay d, EGLint name) {
  EGLAttrib device = 0;
  if (!c->query_display(d, EGL_DEVICE_EXT, &device) || !device) return (const char *)0;
  return c->query_device((EGLDeviceEXT)device, name);
}
static inline EGLImageKHR cegl_create_dmabuf_image(const struct cegl_calls *c, EGLDisplay d, const EGLint *attributes) {
  return c->create_image(d, EGL_NO_CONTEXT, EGL_LINUX_DMA_BUF_EXT, (EGLClientBuffer)0, attributes);
}
static inline void cegl_destroy_image(const struct cegl_calls *c, EGLDisplay d, EGLImageKHR i) { c->destroy_image(d, i); }
static inline void cegl_bind_image_to_texture(const struct cegl_calls *c, EGLImageKHR i) {
  c->image_target_texture(GL_TEXTURE_2D, i);
}
static inline EGLSyncKHR cegl_create_native_fence(const struct cegl_calls *c, EGLDisplay d) {
  return c->create_sync(d, EGL_SYNC_NATIVE_FENCE_ANDROID, (const EGLint *)0);
}
static inline EGLSyncKHR cegl_create_fence(const struct cegl_calls *c, EGLDisplay d) {
  return c->create_sync(d, EGL_SYNC_FENCE_KHR, (const EGLint *)0);
}
static inline int cegl_dup_native_fence(const struct cegl_calls *c, EGLDisplay d, EGLSyncKHR s) {
  return c->dup_native_fence(d, s);
}
static inline void cegl_destroy_sync(const struct cegl_calls *c, EGLDisplay d, EGLSyncKHR s) { c->destroy_sync(d, s); }
// 1: signalled; 0: the time was up; -1: an error.
static inline int cegl_wait_fence(const struct cegl_calls *c, EGLDisplay d, EGLSyncKHR s, uint64_t nanoseconds) {
  EGLint r = c->client_wait_sync(d, s, EGL_SYNC_FLUSH_COMMANDS_BIT_KHR, nanoseconds);
  return r == EGL_CONDITION_SATISFIED_KHR ? 1 : r == EGL_TIMEOUT_EXPIRED_KHR ? 0 : -1;
}

static const uint32_t CEGL_GBM_FORMAT_ABGR8888 = GBM_FORMAT_ABGR8888;

// Of the kernel's drm.h, which Debian has in libdrm-dev alone: three requests of every DRM device.
struct cegl_drm_version {
  int major, minor, patch_level;
  size_t name_length;
  char *name;
  size_t date_length;
  char *date;
  size_t description_length;
  char *description;
};
struct cegl_drm_prime_handle {
  uint32_t handle, flags;
  int32_t fd;
};
static const unsigned long CEGL_DRM_IOCTL_VERSION = _IOWR('d', 0x00, struct cegl_drm_version);
static const unsigned long CEGL_DRM_IOCTL_DROP_MASTER = _IO('d', 0x1f);
static const unsigned long CEGL_DRM_IOCTL_PRIME_HANDLE_TO_FD = _IOWR('d', 0x2d, struct cegl_drm_prime_handle);
// DRM_CLOEXEC, DRM_RDWR: the flags of open(2).
static const uint32_t CEGL_PRIME_FLAGS = O_CLOEXEC | O_RDWR;

#endif
