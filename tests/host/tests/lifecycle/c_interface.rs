//! Behaviour that only CLAP's C interface shows: the status of a block, the host's name, the pages of
//! remote controls.

use crate::events::ReceivedEvents;
use crate::host::{Block, Plugin};
use clap_sys::ext::params::clap_param_info;
use clap_sys::ext::remote_controls::{CLAP_EXT_REMOTE_CONTROLS, clap_plugin_remote_controls};
use clap_sys::ext::render::{CLAP_EXT_RENDER, clap_plugin_render};
use clap_sys::process::{CLAP_PROCESS_CONTINUE, CLAP_PROCESS_CONTINUE_IF_NOT_QUIET};
use std::ffi::{CStr, c_char};
use tagvane_host::testing::{FIRST_SLOT, WRITE};

/// Frames per block: more than a hop, so that a bounce makes a prediction in each block.
const FRAMES: u32 = 4_096;

fn infos(plugin: &Plugin) -> Vec<clap_param_info> {
    (0..plugin.count()).map(|index| plugin.info(index).expect("the parameter has an info")).collect()
}

fn text(name: &[c_char]) -> String {
    // SAFETY: CLAP requires a terminated name.
    unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned()
}

fn id(plugin: &Plugin, name: &str) -> u32 {
    infos(plugin)
        .iter()
        .find(|info| text(&info.name) == name)
        .unwrap_or_else(|| panic!("there is no parameter {name}"))
        .id
}

/// A plugin that renders offline, so that each block's predictions are complete when it returns.
fn offline_plugin(host: &'static CStr) -> Plugin {
    let plugin = Plugin::in_host(host);
    // SAFETY: the plugin's own function, on the main thread.
    assert!(unsafe { (*plugin.extension::<clap_plugin_render>(CLAP_EXT_RENDER)).set.unwrap()(plugin.clap(), 1) });
    assert!(plugin.activate(22_050.0, FRAMES) && plugin.start());
    plugin
}

fn tags_above_zero(plugin: &Plugin) -> usize {
    let tags = infos(plugin).into_iter().filter(|info| text(&info.module) == "Tags" && info.id >> 8 == 0x54_4147);
    tags.filter(|tag| plugin.value(tag.id) > Some(0.0)).count()
}

/// Bitwig Studio was reported to treat each announced output as an edit by the user. There the
/// plugin announces nothing unless the user enables it; hosts can still read the values.
#[test]
fn bitwig_receives_no_tag_values_unless_the_user_enables_them() {
    let count_events = |host, announce: Option<f64>| {
        let (plugin, mut received) = (offline_plugin(host), ReceivedEvents::default());
        for number in 0..40 {
            let mut block = Block::new(2, FRAMES);
            if let Some(value) = announce.filter(|_| number == 0) {
                block.events.set(0, id(&plugin, "Announce tags"), value);
            }
            plugin.process(&mut block, &mut received);
        }
        assert!(tags_above_zero(&plugin) > 10, "most tags are still zero");
        received.accepted
    };
    assert!(count_events(c"Lifecycle", None) > 50);
    assert_eq!(count_events(c"Bitwig Studio", None), 0);
    assert_eq!(count_events(c"Bitwig Studio (CLAP-as-VST3)", None), 0);
    assert!(count_events(c"Bitwig Studio", Some(4.0)) > 50, "announced at 25 Hz");
    assert_eq!(count_events(c"Lifecycle", Some(1.0)), 0, "announcements off");
}

/// A host may let a plugin sleep on silence. While tags are above zero it must not, or they would
/// stay displayed for ever.
#[test]
fn the_plugin_stays_awake_on_silence_until_all_tags_are_zero() {
    let (plugin, mut received) = (offline_plugin(c"Lifecycle"), ReceivedEvents::default());
    for _ in 0..40 {
        plugin.process(&mut Block::new(2, FRAMES), &mut received);
    }
    assert!(tags_above_zero(&plugin) > 10, "most tags are still zero");
    let mut blocks = 0;
    loop {
        let mut silence = Block::new(2, FRAMES);
        silence.input.iter_mut().for_each(|channel| channel.fill(0.0));
        let status = plugin.process(&mut silence, &mut received);
        if tags_above_zero(&plugin) == 0 && status == CLAP_PROCESS_CONTINUE_IF_NOT_QUIET {
            break;
        }
        assert_eq!(status, CLAP_PROCESS_CONTINUE, "the plugin may sleep while tags are above zero");
        blocks += 1;
        assert!(blocks < 60, "tags are above zero after 11 seconds of silence");
    }
    assert!(blocks > 10, "all tags are zero after {blocks} blocks, before a window of silence");
}

/// The first page has the slots, which users automate. Each page names existing parameters, and
/// none names Write, which is not for a knob.
#[test]
fn remote_control_pages_are_the_slots_and_their_controls() {
    let plugin = Plugin::new();
    let ids: Vec<u32> = infos(&plugin).iter().map(|info| info.id).collect();
    let table = plugin.extension::<clap_plugin_remote_controls>(CLAP_EXT_REMOTE_CONTROLS);
    let mut pages = Vec::new();
    // SAFETY: the plugin's own function, on the main thread; the test owns the page.
    unsafe {
        for index in 0..(*table).count.unwrap()(plugin.clap()) {
            let mut page = std::mem::zeroed();
            assert!((*table).get.unwrap()(plugin.clap(), index, &mut page));
            pages.push(page);
        }
    }
    assert_eq!(pages[0].param_ids, std::array::from_fn(|slot| FIRST_SLOT + slot as u32));
    let names: Vec<String> = pages.iter().map(|page| text(&page.page_name)).collect();
    assert_eq!(names[0], "All slots");
    assert_eq!(names[1..9], std::array::from_fn::<_, 8, _>(|slot| format!("Slot {}", slot + 1)));
    assert_eq!(names[9..], ["Outputs", "MIDI"]);
    for page in &pages {
        let used: Vec<u32> = page.param_ids.into_iter().filter(|id| *id != u32::MAX).collect();
        assert!(!used.is_empty() && used.iter().all(|id| ids.contains(id) && *id != WRITE), "{:?}", page.param_ids);
    }
    let mut page_ids: Vec<u32> = pages.iter().map(|page| page.page_id).collect();
    page_ids.sort_unstable();
    page_ids.dedup();
    assert_eq!(page_ids.len(), pages.len(), "two pages have the same id");
}
