//! What the host offers to a CLAP: it counts the plugin's requests.

use clack_extensions::gui::{GuiSize, HostGui, HostGuiImpl};
use clack_extensions::latency::{HostLatency, HostLatencyImpl};
use clack_extensions::params::{
    HostParams, HostParamsImplMainThread, HostParamsImplShared, ParamClearFlags, ParamRescanFlags,
};
use clack_extensions::state::{HostState, HostStateImpl};
use clack_extensions::tail::{HostTail, HostTailImpl};
use clack_host::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The plugin's requests, which come from any thread.
#[derive(Default)]
pub(super) struct HostRequests {
    pub(super) callback: AtomicBool,
    pub(super) dirty: AtomicU64,
    pub(super) restarts: AtomicU64,
    pub(super) rescans: AtomicU64,
}

pub(super) struct Shared(pub(super) Arc<HostRequests>);
pub(super) struct MainThread(pub(super) Arc<HostRequests>);
pub(super) struct AudioProcessor(pub(super) Arc<HostRequests>);

impl SharedHandler<'_> for Shared {
    fn request_restart(&self) {
        self.0.restarts.fetch_add(1, Relaxed);
    }
    fn request_process(&self) {}
    fn request_callback(&self) {
        self.0.callback.store(true, Relaxed);
    }
}

impl MainThreadHandler<'_> for MainThread {}
impl AudioProcessorHandler<'_> for AudioProcessor {}

impl HostParamsImplShared for Shared {
    fn request_flush(&self) {}
}

impl HostParamsImplMainThread for MainThread {
    fn rescan(&self, _flags: ParamRescanFlags) {
        self.0.rescans.fetch_add(1, Relaxed);
    }
    fn clear(&self, _id: ClapId, _flags: ParamClearFlags) {}
}

impl HostStateImpl for MainThread {
    fn mark_dirty(&self) {
        self.0.dirty.fetch_add(1, Relaxed);
    }
}

impl HostLatencyImpl for MainThread {
    fn changed(&self) {
        self.0.restarts.fetch_add(1, Relaxed);
    }
}

impl HostTailImpl for AudioProcessor {
    fn changed(&mut self) {
        self.0.restarts.fetch_add(1, Relaxed);
    }
}

impl HostGuiImpl for Shared {
    fn resize_hints_changed(&self) {}
    fn request_resize(&self, _size: GuiSize) -> Result<(), clack_host::prelude::HostError> {
        Ok(())
    }
    fn request_show(&self) -> Result<(), clack_host::prelude::HostError> {
        Ok(())
    }
    fn request_hide(&self) -> Result<(), clack_host::prelude::HostError> {
        Ok(())
    }
    fn closed(&self, _destroyed: bool) {}
}

pub(super) struct Handlers;

impl HostHandlers for Handlers {
    type Shared<'a> = Shared;
    type MainThread<'a> = MainThread;
    type AudioProcessor<'a> = AudioProcessor;

    fn declare_extensions(builder: &mut HostExtensions<'_, Self>, _shared: &Self::Shared<'_>) {
        builder.register::<HostParams>().register::<HostState>().register::<HostGui>();
        builder.register::<HostLatency>().register::<HostTail>();
    }
}
