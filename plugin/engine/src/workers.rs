//! The worker threads, shared by all instances of a process.
//!
//! The instance that has been due longest is served first, one prediction at a time, so that no
//! instance blocks the others. There is no polling: an instance is due when the audio for its next hop
//! should be in its queue, and a thread sleeps until the next instance is due.

use crate::loader;
use crate::shared::Shared;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Condvar, Instant, Mutex, PoisonError, available_parallelism, lock, wait_timeout};
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

/// The most worker threads. One serves hundreds of instances of the shipped model.
const MAX_THREADS: usize = 8;

/// The workers of this process, while it has an engine.
static WORKERS: Mutex<Weak<Workers>> = Mutex::new(Weak::new());

/// Threads that run models for instances, and one that loads models and learns taught tags. Dropping the last handle stops and
/// joins them.
pub(crate) struct Workers {
    pool: Arc<Pool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    loader: Option<JoinHandle<()>>,
}

/// The state that the threads share.
struct Pool {
    state: Mutex<State>,
    /// Notified when an instance may have become due.
    due: Condvar,
    /// Notified when an instance was served.
    served: Condvar,
    /// Notified when there is a job for the loader.
    job_added: Condvar,
}

#[derive(Default)]
struct State {
    instances: Vec<ScheduledEngine>,
    jobs: VecDeque<Job>,
    /// When the thread that waits with a timeout wakes; the others wait until they are notified.
    next_wake: Option<Instant>,
    should_stop: bool,
}

/// What the loader thread has to do.
enum Job {
    /// Load the model that an instance asks for.
    Load(Weak<Shared>),
    /// Learn a taught tag.
    Learn(Box<dyn FnOnce() + Send>),
}

/// An engine, and when to serve it.
struct ScheduledEngine {
    shared: Arc<Shared>,
    /// When to serve it next; `None` until it is woken.
    due: Option<Instant>,
    is_being_served: bool,
}

impl Workers {
    /// The workers of this process, started if there are none.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(crate) fn of_this_process() -> io::Result<Arc<Self>> {
        let mut known = lock(&WORKERS);
        if let Some(workers) = known.upgrade() {
            return Ok(workers);
        }
        let pool = Arc::new(Pool {
            state: Mutex::default(),
            due: Condvar::new(),
            served: Condvar::new(),
            job_added: Condvar::new(),
        });
        let loader = {
            let pool = Arc::clone(&pool);
            thread::Builder::new().name("tagvane loader".into()).spawn(move || run_loader(&pool))?
        };
        let workers = Arc::new(Self { pool, threads: Mutex::default(), loader: Some(loader) });
        *known = Arc::downgrade(&workers);
        Ok(workers)
    }

    /// Serves an instance from now on, whenever it is due.
    ///
    /// # Errors
    /// If the system cannot start a first thread.
    pub(crate) fn add(&self, shared: &Arc<Shared>) -> io::Result<()> {
        let instances = {
            let mut state = lock(&self.pool.state);
            state.instances.push(ScheduledEngine { shared: Arc::clone(shared), due: None, is_being_served: false });
            state.instances.len()
        };
        let mut threads = lock(&self.threads);
        let cores = available_parallelism().map_or(1, usize::from);
        if threads.len() < instances.min(cores).min(MAX_THREADS) {
            let pool = Arc::clone(&self.pool);
            let thread = thread::Builder::new().name("tagvane worker".into()).spawn(move || run_worker(&pool));
            match thread {
                Ok(thread) => threads.push(thread),
                Err(error) if threads.is_empty() => {
                    self.remove(shared);
                    return Err(error);
                }
                // The existing threads serve one more.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Makes an instance due at once.
    pub(crate) fn wake(&self, shared: &Arc<Shared>) {
        self.pool.wake(shared);
    }

    /// Has the loader load the model that an instance asks for.
    pub(crate) fn request_load(&self, shared: &Arc<Shared>) {
        self.add_job(Job::Load(Arc::downgrade(shared)));
    }

    /// Has the loader do this. It must not own an engine, whose end waits for the loader.
    pub(crate) fn request_learning(&self, learn: impl FnOnce() + Send + 'static) {
        self.add_job(Job::Learn(Box::new(learn)));
    }

    fn add_job(&self, job: Job) {
        lock(&self.pool.state).jobs.push_back(job);
        self.pool.job_added.notify_one();
    }

    /// Removes an instance as soon as it is not being served: waits for at most one prediction.
    pub(crate) fn remove(&self, shared: &Arc<Shared>) {
        let mut state = lock(&self.pool.state);
        while state.find(shared).is_some_and(|instance| instance.is_being_served) {
            state = self.pool.served.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.instances.retain(|instance| !Arc::ptr_eq(&instance.shared, shared));
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        lock(&self.pool.state).should_stop = true;
        self.pool.due.notify_all();
        self.pool.job_added.notify_all();
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads.into_iter().chain(self.loader.take()) {
            // A thread that panicked has nothing left to stop.
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
    fn find(&mut self, shared: &Arc<Shared>) -> Option<&mut ScheduledEngine> {
        self.instances.iter_mut().find(|instance| Arc::ptr_eq(&instance.shared, shared))
    }

    /// The instance that has been due longest, or is due next, of those that are not being served.
    fn first_due(&mut self) -> Option<(Instant, &mut ScheduledEngine)> {
        let waiting = self.instances.iter_mut().filter(|instance| !instance.is_being_served);
        waiting.filter_map(|instance| Some((instance.due?, instance))).min_by_key(|(due, _)| *due)
    }
}

/// A worker thread.
fn run_worker(pool: &Pool) {
    let mut state = lock(&pool.state);
    while !state.should_stop {
        let now = Instant::now();
        let next_wake = state.next_wake;
        match state.first_due() {
            Some((due, instance)) if due <= now => {
                (instance.due, instance.is_being_served) = (None, true);
                let shared = Arc::clone(&instance.shared);
                if state.first_due().is_some() {
                    // Another thread has to serve or to await that one.
                    pool.due.notify_one();
                }
                drop(state);
                let next =
                    catch_unwind(AssertUnwindSafe(|| shared.serve())).unwrap_or_else(|_| shared.fail_after_panic());
                state = lock(&pool.state);
                if let Some(instance) = state.find(&shared) {
                    let due = next.map(|wait| Instant::now() + wait);
                    instance.due = instance.due.or(due);
                    instance.is_being_served = false;
                }
                pool.served.notify_all();
            }
            Some((due, _)) if next_wake.is_none_or(|until| due < until) => {
                state.next_wake = Some(due);
                state = wait_timeout(&pool.due, &pool.state, state, due - now);
                // Another thread may still wait until a later time: at worst two wait with a timeout.
                state.next_wake = None;
            }
            _ => state = pool.due.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The thread that loads models and learns taught tags, one at a time.
fn run_loader(pool: &Pool) {
    let mut models = loader::ModelCache::default();
    let mut state = lock(&pool.state);
    while !state.should_stop {
        let Some(job) = state.jobs.pop_front() else {
            state = pool.job_added.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        drop(state);
        match job {
            Job::Load(shared) => {
                // An instance that has been closed needs no model.
                if let Some(shared) = shared.upgrade() {
                    loader::load(&shared, &mut models);
                    pool.wake(&shared);
                }
            }
            // A panic must not end the thread.
            Job::Learn(learn) => drop(catch_unwind(AssertUnwindSafe(learn))),
        }
        state = lock(&pool.state);
    }
}
