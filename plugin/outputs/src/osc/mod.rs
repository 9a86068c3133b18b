//! OSC over UDP, sent by a thread that runs while OSC is on.
//!
//! The audio thread pushes [`Snapshot`]s to a ring; the thread turns them into messages and sends them.
//! It polls the ring every few milliseconds, because the audio thread must not wake another one.

mod encoder;
mod settings;
mod throttle;

pub use settings::{OscMessageKind, OscSettings};
pub(crate) use throttle::OscThrottle;

use crate::constants::{MAX_PUBLISHED_TAGS, SLOTS};
use encoder::MessageEncoder;
use ringbuf::traits::{Consumer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// Snapshots that can wait: two and a half seconds of them.
const CAPACITY: usize = 64;

/// The time between two polls of the ring.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How long a bounce waits for the thread before it drops a snapshot.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The state of the OSC output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OscStatus {
    /// OSC is off.
    Off,
    /// OSC is on.
    Sending {
        /// The receivers.
        to: Vec<SocketAddr>,
        /// Datagrams sent since OSC was switched on, to all receivers together.
        datagrams: u64,
    },
    /// OSC is on but cannot be sent, and why, in one sentence.
    Failed(String),
}

/// All values that OSC sends, at one tick.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Snapshot {
    /// The published tags.
    pub(crate) tags: [f32; MAX_PUBLISHED_TAGS],
    /// The slots; `None` for one that is not used.
    pub(crate) slots: [Option<f32>; SLOTS],
    /// Seconds since the end of the window of the latest prediction. The sender adds half a window, so
    /// that it sends the time since the middle of the window.
    pub(crate) age: f32,
}

/// The audio thread's end of the ring.
pub(crate) struct SnapshotSender {
    ring: HeapProd<Snapshot>,
    shared: Arc<Shared>,
}

/// The OSC output of an instance: owns the thread that sends.
pub(crate) struct OscOutput {
    shared: Arc<Shared>,
    thread: Option<SendingThread>,
    /// Why there is no thread although OSC is on.
    start_error: Option<String>,
}

/// The thread that sends, while OSC is on.
struct SendingThread {
    to: Vec<SocketAddr>,
    handle: JoinHandle<()>,
}

/// What the audio thread, the owner and the sending thread share.
struct Shared {
    is_on: AtomicBool,
    datagrams: AtomicU64,
    state: Mutex<SenderState>,
    /// Signalled when the thread should end.
    stop: Condvar,
}

struct SenderState {
    ring: HeapCons<Snapshot>,
    encoder: MessageEncoder,
    /// Half of the model's window, in seconds.
    half_window: f32,
    /// Why the last datagram was not sent.
    error: Option<String>,
}

/// A receiver, with a socket of its family.
struct Receiver {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Receiver {
    fn new(to: SocketAddr) -> Result<Self, String> {
        let any: SocketAddr =
            if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let socket = socket.map_err(|error| format!("OSC cannot be sent: no UDP socket can be opened: {error}"))?;
        Ok(Self { socket, to })
    }
}

impl OscOutput {
    /// A sender that is off, and the audio thread's end of its ring.
    pub(crate) fn new() -> (Self, SnapshotSender) {
        let (producer, consumer) = HeapRb::new(CAPACITY).split();
        let state = SenderState { ring: consumer, encoder: MessageEncoder::default(), half_window: 0.0, error: None };
        let shared = Arc::new(Shared {
            is_on: AtomicBool::new(false),
            datagrams: AtomicU64::new(0),
            state: Mutex::new(state),
            stop: Condvar::new(),
        });
        let snapshots = SnapshotSender { ring: producer, shared: Arc::clone(&shared) };
        (Self { shared, thread: None, start_error: None }, snapshots)
    }

    /// Ends the thread, and starts another one if OSC is on in `settings`.
    pub(crate) fn restart(&mut self, settings: &OscSettings) {
        self.stop();
        self.start_error = if settings.on { self.start(settings).err() } else { None };
    }

    /// Sets the names of the published tags.
    pub(crate) fn set_names(&mut self, names: Vec<String>) {
        self.shared.lock().encoder.set_names(names);
    }

    /// Sets the length of the model's window.
    pub(crate) fn set_window(&mut self, window: Duration) {
        self.shared.lock().half_window = window.as_secs_f32() / 2.0;
    }

    /// The state of the output.
    pub(crate) fn status(&self) -> OscStatus {
        match &self.thread {
            Some(thread) => match &self.shared.lock().error {
                Some(error) => OscStatus::Failed(error.clone()),
                None => OscStatus::Sending { to: thread.to.clone(), datagrams: self.shared.datagrams.load(Relaxed) },
            },
            None => self.start_error.clone().map_or(OscStatus::Off, OscStatus::Failed),
        }
    }

    fn start(&mut self, settings: &OscSettings) -> Result<(), String> {
        let to = settings.receivers()?;
        settings.check_pattern()?;
        let receivers = to.iter().map(|to| Receiver::new(*to)).collect::<Result<Vec<_>, _>>()?;
        {
            let mut state = self.shared.lock();
            state.encoder.set_settings(settings.clone());
            state.error = None;
            state.ring.clear();
        }
        self.shared.datagrams.store(0, Relaxed);
        self.shared.is_on.store(true, Release);
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("tagvane osc".into()).spawn(move || shared.run(&receivers));
        match thread {
            Ok(handle) => self.thread = Some(SendingThread { to, handle }),
            Err(error) => {
                self.shared.is_on.store(false, Release);
                return Err(format!("OSC cannot be sent: no thread can be started: {error}"));
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        {
            let _state = self.shared.lock();
            self.shared.is_on.store(false, Release);
            self.shared.stop.notify_all();
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.handle.join());
        }
    }
}

impl Drop for OscOutput {
    fn drop(&mut self) {
        self.stop();
    }
}

impl SnapshotSender {
    /// Pushes a snapshot if OSC is on. If the ring is full, a bounce waits and playback drops the
    /// snapshot.
    pub(crate) fn send(&mut self, snapshot: Snapshot, is_offline: bool) {
        if !self.shared.is_on.load(Acquire) {
            return;
        }
        let mut waited = Duration::ZERO;
        while self.ring.try_push(snapshot).is_err() && is_offline && waited < MAX_WAIT {
            std::thread::sleep(POLL_INTERVAL);
            waited += POLL_INTERVAL;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, SenderState> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Sends snapshots until OSC is switched off.
    fn run(&self, receivers: &[Receiver]) {
        let mut state = self.lock();
        while self.is_on.load(Acquire) {
            while let Some(snapshot) = state.ring.try_pop() {
                self.send(&mut state, snapshot, receivers);
            }
            let woken = self.stop.wait_timeout(state, POLL_INTERVAL).unwrap_or_else(|poisoned| poisoned.into_inner());
            state = woken.0;
        }
        // The snapshots that were pushed before the end.
        while let Some(snapshot) = state.ring.try_pop() {
            self.send(&mut state, snapshot, receivers);
        }
    }

    fn send(&self, state: &mut SenderState, mut snapshot: Snapshot, receivers: &[Receiver]) {
        snapshot.age += state.half_window;
        let datagrams = state.encoder.encode(&snapshot);
        let pairs = receivers.iter().flat_map(|receiver| datagrams.iter().map(move |datagram| (receiver, datagram)));
        let mut error_of_snapshot = None;
        for (Receiver { socket, to }, datagram) in pairs {
            match socket.send_to(datagram, *to) {
                Ok(_) => drop(self.datagrams.fetch_add(1, Relaxed)),
                // There is no receiver yet, or the network is busy: the next one may get through.
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::WouldBlock
                    ) => {}
                Err(error) => error_of_snapshot = Some(format!("OSC cannot be sent to {to}: {error}")),
            }
        }
        if !datagrams.is_empty() {
            state.error = error_of_snapshot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(value: f32) -> Snapshot {
        Snapshot { tags: [value; MAX_PUBLISHED_TAGS], slots: [Some(value); SLOTS], age: 0.1 }
    }

    #[test]
    fn snapshots_arrive_and_a_bad_address_is_an_error() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (mut osc, mut snapshots) = OscOutput::new();
        snapshots.send(snapshot(0.9), false);
        osc.set_names(vec!["guitar".into()]);
        osc.set_window(Duration::from_secs(2));
        let to = receiver.local_addr().unwrap();
        let (address, instance) = (to.to_string(), "x".into());
        let mut settings = OscSettings { on: true, address, instance, ..OscSettings::default() };
        osc.restart(&settings);
        // More than the ring holds: a bounce drops nothing.
        let mut buffer = [0; 2_000];
        for number in 1..=200 {
            snapshots.send(snapshot(number as f32 / 400.0), true);
            let length = receiver.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]);
            assert!(text.starts_with("#bundle") && text.contains("/tagvane/x/tag/guitar"), "{text}");
        }
        assert_eq!(osc.status(), OscStatus::Sending { to: vec![to], datagrams: 200 });
        settings.address = "nowhere".into();
        osc.restart(&settings);
        assert!(matches!(osc.status(), OscStatus::Failed(error) if error.contains("\"nowhere\"")));
        settings.address = to.to_string();
        settings.pattern = "nothing".into();
        osc.restart(&settings);
        assert!(matches!(osc.status(), OscStatus::Failed(error) if error.contains("\"nothing\"")));
        settings.on = false;
        osc.restart(&settings);
        assert_eq!(osc.status(), OscStatus::Off);
    }

    /// ChucK, node-osc and others take no bundles.
    #[test]
    fn several_receivers_get_single_messages() {
        let receivers = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let addresses = receivers.each_ref().map(|receiver| receiver.local_addr().unwrap().to_string());
        let (mut osc, mut snapshots) = OscOutput::new();
        osc.set_names(vec!["guitar".into()]);
        osc.restart(&OscSettings {
            on: true,
            address: addresses.join(", "),
            pattern: "/{name}".into(),
            sends_bundles: false,
            ..OscSettings::default()
        });
        snapshots.send(snapshot(0.5), true);
        for receiver in receivers {
            receiver.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut buffer = [0; 2_000];
            let messages = ["/guitar", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/age"];
            for address in messages {
                let length = receiver.recv(&mut buffer).unwrap();
                let (_, packet) = rosc::decoder::decode_udp(&buffer[..length]).unwrap();
                let rosc::OscPacket::Message(message) = packet else { panic!("not a message") };
                assert_eq!(message.addr, address);
            }
        }
    }
}
