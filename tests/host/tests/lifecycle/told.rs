//! What a host is told beyond values: by its C interface alone these can be seen.

use crate::host::{Block, Heard, Plugin};
use crate::{FIRST_SLOT, WRITE};
use clap_sys::ext::params::clap_param_info;
use clap_sys::ext::remote_controls::{CLAP_EXT_REMOTE_CONTROLS, clap_plugin_remote_controls};
use clap_sys::ext::render::{CLAP_EXT_RENDER, clap_plugin_render};
use clap_sys::process::{CLAP_PROCESS_CONTINUE, CLAP_PROCESS_CONTINUE_IF_NOT_QUIET};
use std::ffi::{CStr, c_char};

/// A block long enough for a bounce to have judged every time.
const FRAMES: u32 = 4_096;

fn infos(plugin: &Plugin) -> Vec<clap_param_info> {
    (0..plugin.count()).map(|index| plugin.info(index).expect("an info")).collect()
}

fn text(name: &[c_char]) -> String {
    // SAFETY: the name is terminated, by CLAP.
    unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned()
}

fn id(plugin: &Plugin, name: &str) -> u32 {
    infos(plugin).iter().find(|info| text(&info.name) == name).unwrap_or_else(|| panic!("no {name}")).id
}

/// A plugin that bounces, so that every block is judged before the next.
fn bouncing(host: &'static CStr) -> Plugin {
    let plugin = Plugin::in_host(host);
    // SAFETY: the plugin's own table, on the main thread.
    assert!(unsafe { (*plugin.extension::<clap_plugin_render>(CLAP_EXT_RENDER)).set.unwrap()(plugin.clap(), 1) });
    assert!(plugin.activate(22_050.0, FRAMES) && plugin.start());
    plugin
}

fn tags_above_zero(plugin: &Plugin) -> usize {
    let tags = infos(plugin).into_iter().filter(|info| text(&info.module) == "Tags" && info.id >> 8 == 0x54_4147);
    tags.filter(|tag| plugin.value(tag.id) > Some(0.0)).count()
}

/// Bitwig Studio was reported to take each announced output for an edit of the user's: there
/// nothing is announced unless the user wants it, and the values can be read all the same.
#[test]
fn bitwig_is_not_told_of_tags_unless_the_user_wants_it() {
    let told = |host, announce: Option<f64>| {
        let (plugin, mut heard) = (bouncing(host), Heard::default());
        for number in 0..40 {
            let mut block = Block::new(2, FRAMES);
            if let Some(value) = announce.filter(|_| number == 0) {
                block.sent.set(0, id(&plugin, "Announce tags"), value);
            }
            plugin.process(&mut block, &mut heard);
        }
        assert!(tags_above_zero(&plugin) > 10, "the tags hardly moved");
        heard.taken
    };
    assert!(told(c"Lifecycle", None) > 50);
    assert_eq!(told(c"Bitwig Studio", None), 0);
    assert_eq!(told(c"Bitwig Studio (CLAP-as-VST3)", None), 0);
    assert!(told(c"Bitwig Studio", Some(4.0)) > 50, "at 25 Hz");
    assert_eq!(told(c"Lifecycle", Some(1.0)), 0, "off");
}

/// A host may let a plugin sleep on silence; while tags show it must not, or they would
/// stand there for ever.
#[test]
fn it_is_awake_on_silence_until_the_tags_are_gone() {
    let (plugin, mut heard) = (bouncing(c"Lifecycle"), Heard::default());
    for _ in 0..40 {
        plugin.process(&mut Block::new(2, FRAMES), &mut heard);
    }
    assert!(tags_above_zero(&plugin) > 10, "the tags hardly moved");
    let mut blocks = 0;
    loop {
        let mut silence = Block::new(2, FRAMES);
        silence.input.iter_mut().for_each(|channel| channel.fill(0.0));
        let status = plugin.process(&mut silence, &mut heard);
        if tags_above_zero(&plugin) == 0 && status == CLAP_PROCESS_CONTINUE_IF_NOT_QUIET {
            break;
        }
        assert_eq!(status, CLAP_PROCESS_CONTINUE, "asleep with tags on show");
        blocks += 1;
        assert!(blocks < 60, "11 seconds of silence, and tags show");
    }
    assert!(blocks > 10, "gone after {blocks} blocks: a window was to be heard");
}

/// The first page is the slots, as they are what is moved; each page names parameters that
/// exist, and Write is none of a knob's.
#[test]
fn a_controllers_pages_are_the_slots_and_their_controls() {
    let plugin = Plugin::new();
    let ids: Vec<u32> = infos(&plugin).iter().map(|info| info.id).collect();
    let table = plugin.extension::<clap_plugin_remote_controls>(CLAP_EXT_REMOTE_CONTROLS);
    let mut pages = Vec::new();
    // SAFETY: the plugin's own table, on the main thread; the page is the test's.
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
    assert_eq!(names[9..], ["Outputs"]);
    for page in &pages {
        let used: Vec<u32> = page.param_ids.into_iter().filter(|id| *id != u32::MAX).collect();
        assert!(!used.is_empty() && used.iter().all(|id| ids.contains(id) && *id != WRITE), "{:?}", page.param_ids);
    }
    let mut page_ids: Vec<u32> = pages.iter().map(|page| page.page_id).collect();
    page_ids.sort_unstable();
    page_ids.dedup();
    assert_eq!(page_ids.len(), pages.len(), "two pages have one id");
}
