// What the thread sanitizer has to be told of Swift's Mutex on Linux. It sees how a free one is taken and given back:
// that is compiled into the caller. One that is held is waited for in libswiftSynchronization, which was not built for
// the sanitizer, and the kernel hands it over (FUTEX_LOCK_PI, FUTEX_UNLOCK_PI). So what two threads do one after the
// other under a lock that they compete for would be reported as a race.
//
// These functions come before the library's of the same names, call them, and tell. They hide nothing: who does not
// lock is reported as before. Where a later Swift has no such functions, nobody calls these. The names hold the types.

#if __has_feature(thread_sanitizer)

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define SWIFT __attribute__((swiftcall))
// `self`, the lock. What the sanitizer sees of the other ways is at the same address.
#define HANDLE __attribute__((swift_context)) void *handle

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void camd_lock_slow(uint32_t thread, HANDLE) __asm__(LOCK);
SWIFT bool camd_try_lock_slow(HANDLE) __asm__(TRY_LOCK);
SWIFT void camd_unlock_slow(HANDLE) __asm__(UNLOCK);

// The library's function. Not looked up in a constructor: those of other libraries may lock before ours has run.
static void *original(void **known, const char *name) {
    void *function = __atomic_load_n(known, __ATOMIC_RELAXED);
    if (!function) {
        function = dlsym(RTLD_NEXT, name);
        if (!function) abort();
        __atomic_store_n(known, function, __ATOMIC_RELAXED);
    }
    return function;
}

SWIFT void camd_lock_slow(uint32_t thread, HANDLE) {
    static void *known;
    SWIFT void (*lock)(uint32_t, HANDLE) = original(&known, LOCK);
    lock(thread, handle);
    __tsan_acquire(handle);
}

SWIFT bool camd_try_lock_slow(HANDLE) {
    static void *known;
    SWIFT bool (*try_lock)(HANDLE) = original(&known, TRY_LOCK);
    bool is_taken = try_lock(handle);
    if (is_taken) __tsan_acquire(handle);
    return is_taken;
}

SWIFT void camd_unlock_slow(HANDLE) {
    static void *known;
    SWIFT void (*unlock)(HANDLE) = original(&known, UNLOCK);
    __tsan_release(handle);
    unlock(handle);
}

#endif
