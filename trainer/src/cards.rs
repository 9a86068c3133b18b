//! What NVIDIA's driver says of the graphics cards that this process uses.

use burn::tensor::backend::Backend;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::{Device, Nvml};

/// The graphics cards of a process; none where the backend does not run on CUDA or there is no driver.
pub struct Cards {
    nvml: Option<Nvml>,
}

/// How much a process uses its cards. In the order of how busy they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CardUsage {
    /// Percentage of the driver's last sampling period, up to a second, in which the busiest card computed.
    pub busy_percent: u32,
    /// Bytes of the cards' memory that the process has.
    pub memory_bytes: u64,
}

impl Cards {
    /// The cards of a process that computes on a device of `B`.
    pub fn of<B: Backend>(device: &B::Device) -> Self {
        let nvml = if B::name(device).contains("cuda") { Nvml::init().ok() } else { None };
        Self { nvml }
    }

    /// The usage now; `None` where the driver does not say.
    pub fn usage(&self) -> Option<CardUsage> {
        let nvml = self.nvml.as_ref()?;
        let devices: Vec<Device<'_>> =
            (0..nvml.device_count().ok()?).filter_map(|index| nvml.device_by_index(index).ok()).collect();
        let used = devices.iter().filter_map(|device| Some((device, own_memory(device)?)));
        let used = used.filter_map(|(device, memory)| usage(device, memory));
        let both = |all: CardUsage, other: CardUsage| CardUsage {
            memory_bytes: all.memory_bytes + other.memory_bytes,
            busy_percent: all.busy_percent.max(other.busy_percent),
        };
        used.reduce(both).or_else(|| match devices.as_slice() {
            // In a container the driver knows the process by another number.
            [device] => usage(device, device.memory_info().ok()?.used),
            _ => None,
        })
    }
}

fn usage(device: &Device<'_>, memory_bytes: u64) -> Option<CardUsage> {
    Some(CardUsage { memory_bytes, busy_percent: device.utilization_rates().ok()?.gpu })
}

/// Bytes of a card's memory that this process has; `None` if it does not compute there or the driver does not say.
fn own_memory(device: &Device<'_>) -> Option<u64> {
    let processes = device.running_compute_processes().ok()?;
    let own = processes.into_iter().find(|process| process.pid == std::process::id())?;
    match own.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn a_backend_on_the_cpu_uses_no_card() {
        assert_eq!(Cards::of::<burn::backend::Flex>(&Default::default()).usage(), None);
    }
}
