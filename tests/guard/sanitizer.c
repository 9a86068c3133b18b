/*
 * Preloaded into a host together with the runtime of LLVM's RealtimeSanitizer, this puts
 * the plugin's process under its watch: the first call in it that may block ends the
 * host with a trace of where it came from.
 */
void __rtsan_ensure_initialized(void);
void __rtsan_realtime_enter(void);
void __rtsan_realtime_exit(void);

static __thread int inside;

__attribute__((constructor)) static void start(void) { __rtsan_ensure_initialized(); }

/* As guard.c has it; never returns to tell of anything. */
long tagvane_guard(int enter) {
    if (enter == inside) return 0;
    inside = enter;
    if (enter) __rtsan_realtime_enter();
    else __rtsan_realtime_exit();
    return 0;
}
