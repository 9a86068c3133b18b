//! OSC over UDP, from a thread of its own while it is on.
//!
//! The audio thread leaves a [`Snapshot`] an update in a ring; the thread turns it into
//! bundles and sends them. It looks every few milliseconds, since the audio thread may
//! not wake anybody.

mod lines;

use crate::{PUBLISHED, SLOTS};
use lines::Lines;
use ringbuf::traits::{Consumer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where OSC goes unless told otherwise.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9000";

/// Snapshots that may wait: two seconds and a half of them.
const WAITING: usize = 64;

/// How often the thread looks.
const LOOK: Duration = Duration::from_millis(5);

/// How long a bounce waits for the thread to catch up before it lets an update go.
const PATIENCE: Duration = Duration::from_secs(2);

/// What goes out as OSC, and where to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OscSettings {
    /// Whether anything is sent.
    pub on: bool,
    /// The receiver: an IP address and a port, such as `127.0.0.1:9000`.
    pub address: String,
    /// What the instance is called in the addresses.
    pub instance: String,
}

impl Default for OscSettings {
    fn default() -> Self {
        Self { on: false, address: DEFAULT_ADDRESS.into(), instance: "1".into() }
    }
}

/// How the sending is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OscStatus {
    /// It is off.
    Off,
    /// It is on.
    Sending {
        /// The receiver.
        to: SocketAddr,
        /// Datagrams sent since it was switched on.
        datagrams: u64,
    },
    /// Nothing can be sent, and why, in one sentence.
    Failed(String),
}

/// The state of everything that goes out, at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Snapshot {
    /// The published tags.
    pub(crate) tags: [f32; PUBLISHED],
    /// The slots that are used.
    pub(crate) slots: [Option<f32>; SLOTS],
    /// How long ago the middle of the window was, in seconds, but for the window itself.
    pub(crate) age: f32,
}

/// The audio thread's end.
pub(crate) struct Feed {
    ring: HeapProd<Snapshot>,
    line: Arc<Line>,
}

/// The sender of an instance.
pub struct Osc {
    line: Arc<Line>,
    settings: OscSettings,
    /// Why there is no thread though it is on.
    problem: Option<String>,
    thread: Option<JoinHandle<()>>,
}

/// What both ends and the thread share.
struct Line {
    on: AtomicBool,
    datagrams: AtomicU64,
    sending: Mutex<Sending>,
    /// Told when there is to be an end.
    end: Condvar,
}

struct Sending {
    ring: HeapCons<Snapshot>,
    to: Option<SocketAddr>,
    instance: String,
    tags: Vec<String>,
    /// Half of the model's window, in seconds.
    half_window: f32,
    lines: Lines,
    problem: Option<String>,
}

impl Osc {
    /// A sender that is off, and the end that feeds it.
    pub(crate) fn new() -> (Self, Feed) {
        let (producer, consumer) = HeapRb::new(WAITING).split();
        let settings = OscSettings::default();
        let sending = Sending {
            ring: consumer,
            to: None,
            lines: Lines::new(&settings.instance, &[]),
            instance: settings.instance.clone(),
            tags: Vec::new(),
            half_window: 0.0,
            problem: None,
        };
        let line = Arc::new(Line {
            on: AtomicBool::new(false),
            datagrams: AtomicU64::new(0),
            sending: Mutex::new(sending),
            end: Condvar::new(),
        });
        let feed = Feed { ring: producer, line: Arc::clone(&line) };
        (Self { line, settings, problem: None, thread: None }, feed)
    }

    /// Takes over other settings.
    pub(crate) fn set(&mut self, settings: &OscSettings) {
        if *settings == self.settings {
            return;
        }
        self.settings = settings.clone();
        self.stop();
        self.problem = None;
        if settings.on {
            self.problem = self.start().err();
        }
    }

    /// The published tags have these names from now on.
    pub(crate) fn rename(&mut self, tags: Vec<String>) {
        let mut sending = self.line.lock();
        sending.tags = tags;
        sending.lines = Lines::new(&sending.instance, &sending.tags);
    }

    /// The model's window has this length from now on.
    pub(crate) fn set_window(&mut self, window: Duration) {
        self.line.lock().half_window = window.as_secs_f32() / 2.0;
    }

    /// How it is doing.
    pub(crate) fn status(&self) -> OscStatus {
        if !self.settings.on {
            return OscStatus::Off;
        }
        let sending = self.line.lock();
        match (self.problem.as_ref().or(sending.problem.as_ref()), sending.to) {
            (Some(problem), _) => OscStatus::Failed(problem.clone()),
            (None, Some(to)) => OscStatus::Sending { to, datagrams: self.line.datagrams.load(Relaxed) },
            (None, None) => OscStatus::Off,
        }
    }

    fn start(&mut self) -> Result<(), String> {
        let to = address(&self.settings.address)?;
        let any: SocketAddr =
            if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let socket = socket.map_err(|error| format!("OSC cannot be sent: the system gives no socket: {error}"))?;
        {
            let mut sending = self.line.lock();
            sending.instance.clone_from(&self.settings.instance);
            sending.lines = Lines::new(&sending.instance, &sending.tags);
            (sending.to, sending.problem) = (Some(to), None);
            sending.ring.clear();
        }
        self.line.datagrams.store(0, Relaxed);
        self.line.on.store(true, Release);
        let line = Arc::clone(&self.line);
        let thread = std::thread::Builder::new().name("tagvane osc".into()).spawn(move || line.send(&socket));
        match thread {
            Ok(thread) => self.thread = Some(thread),
            Err(error) => {
                self.line.on.store(false, Release);
                return Err(format!("OSC cannot be sent: the system gives no thread: {error}"));
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        {
            let _sending = self.line.lock();
            self.line.on.store(false, Release);
            self.line.end.notify_all();
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Osc {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Feed {
    /// Leaves a snapshot, if it is on. A bounce, which is `offline`, waits where there is
    /// no room; otherwise the update is let go.
    pub(crate) fn push(&mut self, snapshot: Snapshot, offline: bool) {
        if !self.line.on.load(Acquire) {
            return;
        }
        let mut waited = Duration::ZERO;
        while self.ring.try_push(snapshot).is_err() && offline && waited < PATIENCE {
            std::thread::sleep(LOOK);
            waited += LOOK;
        }
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The thread.
    fn send(&self, socket: &UdpSocket) {
        let mut sending = self.lock();
        while self.on.load(Acquire) {
            while let Some(snapshot) = sending.ring.try_pop() {
                self.send_update(&mut sending, snapshot, socket);
            }
            let woken = self.end.wait_timeout(sending, LOOK).unwrap_or_else(|poisoned| poisoned.into_inner());
            sending = woken.0;
        }
        // What was left before the end is still said.
        while let Some(snapshot) = sending.ring.try_pop() {
            self.send_update(&mut sending, snapshot, socket);
        }
    }

    fn send_update(&self, sending: &mut Sending, mut snapshot: Snapshot, socket: &UdpSocket) {
        let Some(to) = sending.to else { return };
        snapshot.age += sending.half_window;
        for datagram in sending.lines.update(&snapshot) {
            match socket.send_to(&datagram, to) {
                Ok(_) => {
                    self.datagrams.fetch_add(1, Relaxed);
                    sending.problem = None;
                }
                // Nobody listens there yet, or the network is full: the next one may get through.
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::WouldBlock
                    ) => {}
                Err(error) => sending.problem = Some(format!("OSC does not reach {to}: {error}")),
            }
        }
    }
}

/// Reads an address. Names are not looked up, since that can take any time.
fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let numbers = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    match numbers.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Ok(address),
        _ => Err(format!("OSC goes nowhere: \"{text}\" is not an IP address and a port, such as {DEFAULT_ADDRESS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_and_a_port() {
        for good in ["127.0.0.1:9000", " 10.0.0.7:1 ", "localhost:9000", "[::1]:9000"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["", "9000", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "example.org:9000"] {
            assert!(address(bad).unwrap_err().contains("127.0.0.1:9000"), "{bad}");
        }
    }

    fn snapshot(value: f32) -> Snapshot {
        Snapshot { tags: [value; PUBLISHED], slots: [Some(value); SLOTS], age: 0.1 }
    }

    #[test]
    fn what_is_fed_arrives_and_a_bad_address_is_said() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (mut osc, mut feed) = Osc::new();
        feed.push(snapshot(0.9), false);
        osc.rename(vec!["guitar".into()]);
        osc.set_window(Duration::from_secs(2));
        let to = receiver.local_addr().unwrap();
        let mut settings = OscSettings { on: true, address: to.to_string(), instance: "x".into() };
        osc.set(&settings);
        // More than the ring holds at once: a bounce loses nothing.
        let mut buffer = [0; 2_000];
        for number in 1..=200 {
            feed.push(snapshot(number as f32 / 400.0), true);
            let length = receiver.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]);
            assert!(text.starts_with("#bundle") && text.contains("/tagvane/x/tag/guitar"), "{text}");
        }
        assert_eq!(osc.status(), OscStatus::Sending { to, datagrams: 200 });
        settings.address = "nowhere".into();
        osc.set(&settings);
        assert!(matches!(osc.status(), OscStatus::Failed(why) if why.contains("\"nowhere\"")));
        settings.on = false;
        osc.set(&settings);
        assert_eq!(osc.status(), OscStatus::Off);
    }
}
