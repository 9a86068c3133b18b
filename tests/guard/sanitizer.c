/*
 * Enables LLVM's RealtimeSanitizer in the plugin's process function. Preload it into a host,
 * linked with the sanitizer's runtime. The first call in the function that may block ends
 * the host with a stack trace.
 */
void __rtsan_ensure_initialized(void);
void __rtsan_realtime_enter(void);
void __rtsan_realtime_exit(void);

static __thread int inside;

__attribute__((constructor)) static void start(void) { __rtsan_ensure_initialized(); }

/* The same function as in guard.c. It always returns 0, because a violation ends the host. */
long tagvane_guard(int enter) {
    if (enter == inside) return 0;
    inside = enter;
    if (enter) __rtsan_realtime_enter();
    else __rtsan_realtime_exit();
    return 0;
}
