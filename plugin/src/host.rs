//! Quirks of hosts, which are known by the host's name because no interface tells them.

use tagvane_outputs::GestureMode;

/// The quirks of a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HostQuirks {
    /// clap-wrapper loads the CLAP as a VST3 into the real host.
    pub(crate) is_vst3: bool,
    /// The host takes an output value for an edit of the user. Tags are not announced to it unless the
    /// user asks for that; it can still read them.
    ///
    /// Bitwig Studio 5.3 took each value of a read-only parameter for an edit: the project was
    /// changed, "last touched" gone, undo full (dusk-audio-plugins, issue 231, on GitHub).
    pub(crate) treats_outputs_as_edits: bool,
    /// The host records only the last value of a gesture, as qtractor 0.9.31 does.
    records_last_value_only: bool,
}

impl HostQuirks {
    /// The host that reports `name` as its name.
    pub(crate) fn from_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        Self {
            is_vst3: name.contains("clap-as-vst3"),
            treats_outputs_as_edits: name.contains("bitwig"),
            records_last_value_only: name.contains("qtractor"),
        }
    }

    /// How gestures are sent to the host.
    ///
    /// clap-wrapper passes gestures from the audio thread on by a timer. When the host stops, it drops
    /// the gestures that it has not passed on, so a gesture from arming to disarming could stay open. On
    /// Linux it has the timer only while the editor is open.
    pub(crate) fn gesture_mode(self, is_editor_open: bool) -> GestureMode {
        match self {
            Self { is_vst3: true, .. } if cfg!(target_os = "linux") && !is_editor_open => GestureMode::Off,
            Self { is_vst3: true, .. } | Self { records_last_value_only: true, .. } => GestureMode::PerValue,
            _ => GestureMode::Held,
        }
    }
}

/// Whether an indexer of presets waits for itself for ever at the second preset of a location.
///
/// clap-validator 0.4.1 locks its result in `begin_preset` and locks it again to write down the preset before.
pub(crate) fn takes_one_preset_only(indexer: &str, version: &str) -> bool {
    indexer == "clap-validator" && version == "0.4.1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quirks_follow_from_the_host_name() {
        let vst3 = HostQuirks::from_name("Ardour (CLAP-as-VST3)");
        assert_eq!(vst3, HostQuirks { is_vst3: true, ..HostQuirks::default() });
        assert_eq!(vst3.gesture_mode(true), GestureMode::PerValue);
        let closed = if cfg!(target_os = "linux") { GestureMode::Off } else { GestureMode::PerValue };
        assert_eq!(vst3.gesture_mode(false), closed);
        assert_eq!(HostQuirks::from_name("qtractorClapPlugin").gesture_mode(false), GestureMode::PerValue);
        assert!(HostQuirks::from_name("Bitwig Studio").treats_outputs_as_edits);
        assert!(!HostQuirks::from_name("REAPER").treats_outputs_as_edits);
        assert_eq!(HostQuirks::from_name("REAPER").gesture_mode(false), GestureMode::Held);
        assert!(takes_one_preset_only("clap-validator", "0.4.1"));
        assert!(!takes_one_preset_only("clap-validator", "0.4.2") && !takes_one_preset_only("Bitwig Studio", "0.4.1"));
    }
}
