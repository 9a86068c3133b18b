//! What is known of a host by its name, since no interface tells it.

use tagvane_outputs::Gestures;

/// How a host has to be treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Host {
    /// It is clap-wrapper, which makes a VST3 of the CLAP, inside the real host.
    pub(crate) vst3: bool,
    /// It takes an announced output for something that a person did: tags are not announced
    /// unless the user wants it. Outputs can be read all the same.
    ///
    /// Bitwig Studio 5.3 took each value of a read-only parameter for an edit: the project was
    /// changed, "last touched" gone, undo full (dusk-audio-plugins, issue 231, on GitHub).
    pub(crate) touchy: bool,
    /// It records a gesture's last value alone, as qtractor 0.9.31 does.
    last_of_gesture: bool,
}

impl Host {
    /// The host that calls itself `name`.
    pub(crate) fn named(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let called = |part| name.contains(part);
        Self { vst3: called("clap-as-vst3"), touchy: called("bitwig"), last_of_gesture: called("qtractor") }
    }

    /// How its gestures are made while the editor is open, or is not.
    ///
    /// clap-wrapper hands gestures from the audio thread to a timer. It drops what it has not
    /// handed on when the host stops, so that one gesture from arming to disarming could
    /// stay open; and on Linux it has the timer only while the editor is open.
    pub(crate) fn gestures(self, editor_is_open: bool) -> Gestures {
        match self {
            Self { vst3: true, .. } if cfg!(target_os = "linux") && !editor_is_open => Gestures::Without,
            Self { vst3: true, .. } | Self { last_of_gesture: true, .. } => Gestures::Brief,
            _ => Gestures::Held,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_known_by_their_names() {
        let vst3 = Host::named("Ardour (CLAP-as-VST3)");
        assert_eq!(vst3, Host { vst3: true, ..Host::default() });
        assert_eq!(vst3.gestures(true), Gestures::Brief);
        let closed = if cfg!(target_os = "linux") { Gestures::Without } else { Gestures::Brief };
        assert_eq!(vst3.gestures(false), closed);
        assert_eq!(Host::named("qtractorClapPlugin").gestures(false), Gestures::Brief);
        assert!(Host::named("Bitwig Studio").touchy && !Host::named("REAPER").touchy);
        assert_eq!(Host::named("REAPER").gestures(false), Gestures::Held);
    }
}
