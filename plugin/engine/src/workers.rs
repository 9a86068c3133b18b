//! The threads that listen, shared by all instances of a process.
//!
//! Whoever is due longest is served first, one judgement at a time, so that no instance
//! keeps the others waiting. Nobody polls: an instance is due when the audio for its
//! next hop should be there, and a thread sleeps until the next one is due.

use crate::engine::Shared;
use crate::loader;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Condvar, Instant, Mutex, MutexGuard, PoisonError, available_parallelism, wait_at_most};
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

/// The most threads that listen, however many cores there are: each serves hundreds of
/// instances of the shipped model.
const MOST_THREADS: usize = 8;

/// The threads of this process, as long as an instance lives.
static WORKERS: Mutex<Weak<Workers>> = Mutex::new(Weak::new());

/// Threads that listen for instances, and one that loads models for them. Dropping the
/// last handle ends and joins them.
pub(crate) struct Workers {
    pool: Arc<Pool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    loader: Option<JoinHandle<()>>,
}

/// What the threads share.
struct Pool {
    state: Mutex<State>,
    /// Told when somebody may have become due.
    due: Condvar,
    /// Told when an instance has been served.
    served: Condvar,
    /// Told when there is a model to load.
    load: Condvar,
}

#[derive(Default)]
struct State {
    instances: Vec<Instance>,
    loads: VecDeque<Weak<Shared>>,
    /// Until when a thread sleeps at most; the others sleep until they are told.
    watched: Option<Instant>,
    stop: bool,
}

struct Instance {
    shared: Arc<Shared>,
    /// When to serve it next; `None` for not until it is woken.
    due: Option<Instant>,
    served_now: bool,
}

impl Workers {
    /// The threads of this process, started if there are none.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(crate) fn of_this_process() -> io::Result<Arc<Self>> {
        let mut known = lock(&WORKERS);
        if let Some(workers) = known.upgrade() {
            return Ok(workers);
        }
        let pool = Arc::new(Pool {
            state: Mutex::default(),
            due: Condvar::new(),
            served: Condvar::new(),
            load: Condvar::new(),
        });
        let loader = {
            let pool = Arc::clone(&pool);
            thread::Builder::new().name("tagvane loader".into()).spawn(move || load(&pool))?
        };
        let workers = Arc::new(Self { pool, threads: Mutex::default(), loader: Some(loader) });
        *known = Arc::downgrade(&workers);
        Ok(workers)
    }

    /// Serves an instance from now on, whenever it is due.
    ///
    /// # Errors
    /// Where the system gives not even one thread.
    pub(crate) fn add(&self, shared: &Arc<Shared>) -> io::Result<()> {
        let instances = {
            let mut state = lock(&self.pool.state);
            state.instances.push(Instance { shared: Arc::clone(shared), due: None, served_now: false });
            state.instances.len()
        };
        let mut threads = lock(&self.threads);
        let cores = available_parallelism().map_or(1, usize::from);
        if threads.len() < instances.min(cores).min(MOST_THREADS) {
            let pool = Arc::clone(&self.pool);
            let thread = thread::Builder::new().name("tagvane listener".into()).spawn(move || listen(&pool));
            match thread {
                Ok(thread) => threads.push(thread),
                Err(error) if threads.is_empty() => {
                    self.remove(shared);
                    return Err(error);
                }
                // Those that there are serve one more.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Makes an instance due at once.
    pub(crate) fn wake(&self, shared: &Arc<Shared>) {
        self.pool.wake(shared);
    }

    /// Has the loader look at what model an instance wants.
    pub(crate) fn load(&self, shared: &Arc<Shared>) {
        lock(&self.pool.state).loads.push_back(Arc::downgrade(shared));
        self.pool.load.notify_one();
    }

    /// Forgets an instance, once it is not being served: waits for at most one
    /// judgement.
    pub(crate) fn remove(&self, shared: &Arc<Shared>) {
        let mut state = lock(&self.pool.state);
        while state.find(shared).is_some_and(|instance| instance.served_now) {
            state = self.pool.served.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.instances.retain(|instance| !Arc::ptr_eq(&instance.shared, shared));
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        lock(&self.pool.state).stop = true;
        self.pool.due.notify_all();
        self.pool.load.notify_all();
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads.into_iter().chain(self.loader.take()) {
            // A thread that panicked has nothing left to say.
            let _ = thread.join();
        }
    }
}

impl Pool {
    fn wake(&self, shared: &Arc<Shared>) {
        if let Some(instance) = lock(&self.state).find(shared) {
            instance.due = Some(Instant::now());
            self.due.notify_one();
        }
    }
}

impl State {
    fn find(&mut self, shared: &Arc<Shared>) -> Option<&mut Instance> {
        self.instances.iter_mut().find(|instance| Arc::ptr_eq(&instance.shared, shared))
    }

    /// Who is or becomes due first, of those that nobody serves.
    fn first_due(&mut self) -> Option<(Instant, &mut Instance)> {
        let waiting = self.instances.iter_mut().filter(|instance| !instance.served_now);
        waiting.filter_map(|instance| Some((instance.due?, instance))).min_by_key(|(due, _)| *due)
    }
}

/// A thread that listens.
fn listen(pool: &Pool) {
    let mut state = lock(&pool.state);
    while !state.stop {
        let now = Instant::now();
        let watched = state.watched;
        match state.first_due() {
            Some((due, instance)) if due <= now => {
                (instance.due, instance.served_now) = (None, true);
                let shared = Arc::clone(&instance.shared);
                if state.first_due().is_some() {
                    // Somebody else has to watch meanwhile.
                    pool.due.notify_one();
                }
                drop(state);
                let again = catch_unwind(AssertUnwindSafe(|| shared.listen())).unwrap_or_else(|_| shared.break_down());
                state = lock(&pool.state);
                if let Some(instance) = state.find(&shared) {
                    let due = again.map(|wait| Instant::now() + wait);
                    instance.due = instance.due.or(due);
                    instance.served_now = false;
                }
                pool.served.notify_all();
            }
            Some((due, _)) if watched.is_none_or(|until| due < until) => {
                state.watched = Some(due);
                state = wait_at_most(&pool.due, &pool.state, state, due - now);
                // Another may still sleep until later; at worst two do.
                state.watched = None;
            }
            _ => state = pool.due.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The thread that loads, one model at a time.
fn load(pool: &Pool) {
    let mut models = loader::Models::default();
    let mut state = lock(&pool.state);
    while !state.stop {
        match state.loads.pop_front() {
            Some(shared) => {
                drop(state);
                // An instance that is closed wants no model any more.
                if let Some(shared) = shared.upgrade() {
                    loader::load(&shared, &mut models);
                    pool.wake(&shared);
                }
                state = lock(&pool.state);
            }
            None => state = pool.load.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
