//! The presets that a host's browser lists and loads: the factory "clap.preset-discovery-factory/2" and
//! `clap.preset-load`.

use crate::events::ReceivedEvents;
use crate::host::{Block, Plugin, entry_factory};
use clap_sys::ext::preset_load::{CLAP_EXT_PRESET_LOAD, CLAP_EXT_PRESET_LOAD_COMPAT, clap_plugin_preset_load};
use clap_sys::factory::preset_discovery::*;
use clap_sys::timestamp::clap_timestamp;
use clap_sys::universal_plugin_id::clap_universal_plugin_id;
use clap_sys::version::CLAP_VERSION;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr;

/// What a provider has declared.
#[derive(Default)]
struct Declared {
    extensions: Vec<String>,
    /// The flags and the path of each location; `None` for the plugin itself.
    locations: Vec<(u32, Option<String>)>,
}

/// What a provider has told about presets.
#[derive(Default)]
struct Described {
    presets: Vec<PresetInfo>,
    errors: Vec<String>,
}

/// A preset.
#[derive(Default, Debug)]
struct PresetInfo {
    name: String,
    key: Option<String>,
    plugin_id: String,
    description: String,
}

/// A text of the plugin; `None` for null.
///
/// # Safety
/// `text` is null or a C string.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: by the caller.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_str().expect("the text is UTF-8").to_owned())
}

// The functions of the host below get the pointers that the tests pass to the plugin.
#[allow(clippy::undocumented_unsafe_blocks)]
mod indexer {
    use super::*;

    unsafe fn declared<'a>(indexer: *const clap_preset_discovery_indexer) -> &'a mut Declared {
        unsafe { &mut *(*indexer).indexer_data.cast::<Declared>() }
    }

    unsafe extern "C" fn filetype(
        indexer: *const clap_preset_discovery_indexer,
        filetype: *const clap_preset_discovery_filetype,
    ) -> bool {
        unsafe { declared(indexer).extensions.push(text((*filetype).file_extension).unwrap()) };
        true
    }

    unsafe extern "C" fn location(
        indexer: *const clap_preset_discovery_indexer,
        location: *const clap_preset_discovery_location,
    ) -> bool {
        let location = unsafe { &*location };
        let path = unsafe { text(location.location) };
        assert_eq!(path.is_none(), location.kind == CLAP_PRESET_DISCOVERY_LOCATION_PLUGIN);
        unsafe { declared(indexer).locations.push((location.flags, path)) };
        true
    }

    unsafe extern "C" fn soundpack(
        _: *const clap_preset_discovery_indexer,
        _: *const clap_preset_discovery_soundpack,
    ) -> bool {
        panic!("Tagvane has no sound packs")
    }

    unsafe extern "C" fn extension(_: *const clap_preset_discovery_indexer, _: *const c_char) -> *const c_void {
        ptr::null()
    }

    pub(super) fn new(declared: &mut Declared, name: &CStr, version: &CStr) -> clap_preset_discovery_indexer {
        clap_preset_discovery_indexer {
            clap_version: CLAP_VERSION,
            name: name.as_ptr(),
            vendor: c"Tagvane".as_ptr(),
            url: c"".as_ptr(),
            version: version.as_ptr(),
            indexer_data: ptr::from_mut(declared).cast(),
            declare_filetype: Some(filetype),
            declare_location: Some(location),
            declare_soundpack: Some(soundpack),
            get_extension: Some(extension),
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
mod receiver {
    use super::*;

    type Receiver = *const clap_preset_discovery_metadata_receiver;

    unsafe fn described<'a>(receiver: Receiver) -> &'a mut Described {
        unsafe { &mut *(*receiver).receiver_data.cast::<Described>() }
    }

    unsafe fn last<'a>(receiver: Receiver) -> &'a mut PresetInfo {
        unsafe { described(receiver) }.presets.last_mut().expect("a preset has begun")
    }

    unsafe extern "C" fn error(receiver: Receiver, _: i32, message: *const c_char) {
        unsafe { described(receiver).errors.push(text(message).unwrap()) };
    }

    unsafe extern "C" fn begin(receiver: Receiver, name: *const c_char, key: *const c_char) -> bool {
        let preset = unsafe { PresetInfo { name: text(name).unwrap(), key: text(key), ..PresetInfo::default() } };
        unsafe { described(receiver) }.presets.push(preset);
        true
    }

    unsafe extern "C" fn plugin_id(receiver: Receiver, id: *const clap_universal_plugin_id) {
        unsafe {
            assert_eq!(text((*id).abi).unwrap(), "clap");
            last(receiver).plugin_id = text((*id).id).unwrap();
        }
    }

    unsafe extern "C" fn description(receiver: Receiver, description: *const c_char) {
        unsafe { last(receiver).description = text(description).unwrap() };
    }

    unsafe extern "C" fn ignore_text(_: Receiver, _: *const c_char) {}
    unsafe extern "C" fn ignore_flags(_: Receiver, _: u32) {}
    unsafe extern "C" fn ignore_times(_: Receiver, _: clap_timestamp, _: clap_timestamp) {}
    unsafe extern "C" fn ignore_texts(_: Receiver, _: *const c_char, _: *const c_char) {}

    pub(super) fn new(described: &mut Described) -> clap_preset_discovery_metadata_receiver {
        clap_preset_discovery_metadata_receiver {
            receiver_data: ptr::from_mut(described).cast(),
            on_error: Some(error),
            begin_preset: Some(begin),
            add_plugin_id: Some(plugin_id),
            set_soundpack_id: Some(ignore_text),
            set_flags: Some(ignore_flags),
            add_creator: Some(ignore_text),
            set_description: Some(description),
            set_timestamps: Some(ignore_times),
            add_feature: Some(ignore_text),
            add_extra_info: Some(ignore_texts),
        }
    }
}

/// Calls `use_provider` with an initialised provider and what it has declared.
fn with_provider<T>(use_provider: impl FnOnce(&clap_preset_discovery_provider, &Declared) -> T) -> T {
    with_provider_in(c"Lifecycle", c"1", use_provider)
}

/// Like [`with_provider`], in a host of this name and version.
fn with_provider_in<T>(
    name: &CStr,
    version: &CStr,
    use_provider: impl FnOnce(&clap_preset_discovery_provider, &Declared) -> T,
) -> T {
    let factory: *const clap_preset_discovery_factory = entry_factory(CLAP_PRESET_DISCOVERY_FACTORY_ID);
    assert!(!factory.is_null(), "the library lists no presets");
    let mut declared = Declared::default();
    let indexer = indexer::new(&mut declared, name, version);
    // SAFETY: the plugin's own functions, in the order that CLAP prescribes; the indexer outlives the provider.
    unsafe {
        assert_eq!((*factory).count.unwrap()(factory), 1);
        assert!((*factory).get_descriptor.unwrap()(factory, 1).is_null());
        let descriptor = &*(*factory).get_descriptor.unwrap()(factory, 0);
        let create = (*factory).create.unwrap();
        assert!(create(factory, &indexer, c"of another plugin".as_ptr()).is_null());
        let provider = create(factory, &indexer, descriptor.id);
        assert_eq!(text((*(*provider).desc).id), text(descriptor.id));
        assert!((*provider).init.unwrap()(provider));
        let result = use_provider(&*provider, &declared);
        (*provider).destroy.unwrap()(provider);
        result
    }
}

/// What the provider tells about the plugin's own presets, or a file; and whether it says that it could.
fn describe(file: Option<&Path>) -> (Described, bool) {
    let mut described = Described::default();
    let receiver = receiver::new(&mut described);
    let path = file.map(|file| CString::new(file.to_str().unwrap()).unwrap());
    let kind = if file.is_some() { CLAP_PRESET_DISCOVERY_LOCATION_FILE } else { CLAP_PRESET_DISCOVERY_LOCATION_PLUGIN };
    let location = path.as_ref().map_or(ptr::null(), |path| path.as_ptr());
    // SAFETY: the plugin's own function.
    let is_described =
        with_provider(|provider, _| unsafe { provider.get_metadata.unwrap()(provider, kind, location, &receiver) });
    (described, is_described)
}

/// Loads a preset of the plugin by its key, or a file.
fn load(plugin: &Plugin, location: Option<&Path>, key: Option<&str>) -> bool {
    let table = plugin.extension::<clap_plugin_preset_load>(CLAP_EXT_PRESET_LOAD);
    assert_eq!(table, plugin.extension(CLAP_EXT_PRESET_LOAD_COMPAT));
    let kind =
        if location.is_some() { CLAP_PRESET_DISCOVERY_LOCATION_FILE } else { CLAP_PRESET_DISCOVERY_LOCATION_PLUGIN };
    let [path, key] =
        [location.map(|path| path.to_str().unwrap()), key].map(|text| text.map(|text| CString::new(text).unwrap()));
    let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    // SAFETY: the plugin's own function, on the main thread.
    unsafe { (*table).from_location.unwrap()(plugin.clap(), kind, pointer(&path), pointer(&key)) }
}

/// The saved state, and the configuration of the outputs in it.
fn state(plugin: &Plugin) -> (Value, Value) {
    let state: Value = serde_json::from_slice(&plugin.save()[8..]).unwrap();
    let outputs = serde_json::from_str(state["fields"]["outputs"].as_str().unwrap()).unwrap();
    (state, outputs)
}

#[test]
fn the_browser_lists_a_dozen_explained_presets_and_loads_each_while_music_plays() {
    let (described, is_described) = describe(None);
    assert!(is_described && described.errors.is_empty());
    assert!(described.presets.len() >= 12);
    let keys: BTreeSet<&str> = described.presets.iter().filter_map(|preset| preset.key.as_deref()).collect();
    assert_eq!(keys.len(), described.presets.len(), "each preset has a key of its own");
    let (plugin, mut received) = (Plugin::new(), ReceivedEvents::default());
    assert!(plugin.activate(48_000.0, 512) && plugin.start());
    let mut routings = BTreeSet::new();
    for preset in &described.presets {
        assert!(preset.description.len() > 30 && preset.plugin_id == "org.tagvane.tagvane", "{preset:?}");
        let model = state(&plugin).0["fields"]["model"].clone();
        assert!(load(&plugin, None, preset.key.as_deref()), "{preset:?}");
        let (saved, outputs) = state(&plugin);
        assert_eq!(saved["fields"]["model"], model, "{preset:?}: the model stays");
        routings.insert(outputs["sources"].to_string() + &saved["params"].to_string());
        plugin.process(&mut Block::new(2, 512), &mut received);
        plugin.idle();
    }
    assert_eq!(routings.len(), described.presets.len(), "two presets do the same");
    let reports = plugin.requests.presets.lock().unwrap().clone();
    assert_eq!(reports, vec![Ok(()); described.presets.len()]);
    plugin.stop();
    plugin.deactivate();
}

#[test]
fn a_file_of_the_user_is_described_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.tagvane");
    let text = "name = \"Mine\"\ndescription = \"For me\"\nlive = true\n[midi]\nchannel = 5\n[osc]\ninstance = \"lead\"\n\
                [model]\nshipped = \"Million Song 50\"\n[[slot]]\nnumber = 2\ntags = [\"happy\"]\nmode = \"gate\"";
    std::fs::write(&file, text).unwrap();
    let (described, is_described) = describe(Some(&file));
    assert!(is_described, "{:?}", described.errors);
    let PresetInfo { name, key, description, .. } = &described.presets[0];
    assert_eq!((name.as_str(), key, description.as_str()), ("Mine", &None, "For me"));
    let plugin = Plugin::new();
    assert!(load(&plugin, None, Some("duck-under-vocals")));
    assert!(load(&plugin, Some(&file), None));
    let (saved, outputs) = state(&plugin);
    let params = &saved["params"];
    assert_eq!((&params["midi_channel"]["i32"], &params["live"]["bool"]), (&5.into(), &true.into()));
    assert_eq!((&params["mode_1"]["string"], &params["mode_2"]["string"]), (&"continuous".into(), &"gate".into()));
    assert_eq!(outputs["sources"][0]["tags"], Value::Array(Vec::new()), "the slot of the preset before");
    assert_eq!(outputs["sources"][1]["tags"], serde_json::json!(["happy"]));
    assert_eq!(outputs["osc"]["instance"], "lead");
    assert_eq!(saved["fields"]["model"], "{\"shipped\":\"Million Song 50\"}");
}

#[test]
fn a_preset_that_cannot_be_read_changes_nothing_and_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = Plugin::new();
    assert!(load(&plugin, None, Some("notes-a-pad-for-each-style")));
    let before = plugin.save();
    for (name, content, words) in [
        ("typing error.tagvane", Some(&b"name = \"a\"\nthreshold = 3"[..]), "line 2: unknown field `threshold`"),
        ("range.tagvane", Some(b"name = \"a\"\n[[slot]]\nnumber = 1\nthreshold = 30"), "not from 0 to 1"),
        ("binary.tagvane", Some(b"\xff\xfe\x00"), "UTF-8"),
        ("cut.tagvane", Some(b"name = \"a\"\n[[slot]]\nnumber = 1\ntags = [\"rock"), "line 4"),
        ("absent.tagvane", None, "cannot be loaded"),
    ] {
        let file = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        plugin.requests.presets.lock().unwrap().clear();
        assert!(!load(&plugin, Some(&file), None), "{name}");
        let reports = plugin.requests.presets.lock().unwrap().clone();
        let [Err(why)] = &reports[..] else { panic!("{name}: {reports:?}") };
        assert!(why.contains(words) && why.contains("nothing was changed") && !why.contains('\n'), "{name}: {why}");
        let (described, is_described) = describe(Some(&file));
        assert!(!is_described && described.presets.is_empty(), "{name}");
        assert_eq!(described.errors, std::slice::from_ref(why), "{name}");
        assert_eq!(plugin.save(), before, "{name}");
    }
    for (location, key) in [(None, Some("of another version")), (None, None)] {
        plugin.requests.presets.lock().unwrap().clear();
        assert!(!load(&plugin, location, key));
        assert!(plugin.requests.presets.lock().unwrap()[0].is_err());
        assert_eq!(plugin.save(), before, "{key:?}");
    }
    // A host without the extension.
    let bare = Plugin::in_host(c"Bare");
    assert!(load(&bare, None, Some("tension")) && !load(&bare, None, Some("of another version")));
}

/// clap-validator 0.4.1 waits for itself for ever at the second preset of a location.
#[test]
fn an_indexer_that_takes_one_preset_only_gets_one() {
    for (version, expected) in [(c"0.4.1", 1), (c"0.4.2", 13)] {
        let mut described = Described::default();
        let receiver = receiver::new(&mut described);
        let kind = CLAP_PRESET_DISCOVERY_LOCATION_PLUGIN;
        // SAFETY: the plugin's own function.
        let is_described = with_provider_in(c"clap-validator", version, |provider, _| unsafe {
            provider.get_metadata.unwrap()(provider, kind, ptr::null(), &receiver)
        });
        assert_eq!((is_described, described.presets.len()), (true, expected), "{version:?}");
    }
}

/// A host takes a declared folder that does not exist for an error.
#[test]
fn the_folder_of_the_user_is_declared_if_it_exists() {
    let folder = tempfile::tempdir().unwrap();
    let run = |folder: &Path| {
        let test = "presets::the_declared_locations";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--include-ignored"])
            .env("TAGVANE_PRESETS", folder)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&status.stdout).into_owned();
        assert!(status.status.success() && output.contains("1 passed"), "{output}");
    };
    run(folder.path());
    run(&folder.path().join("absent"));
}

#[test]
#[ignore = "run by another test with TAGVANE_PRESETS"]
fn the_declared_locations() {
    let folder = std::env::var("TAGVANE_PRESETS").expect("the other test sets it");
    with_provider(|_, declared| {
        let mut expected = vec![(CLAP_PRESET_DISCOVERY_IS_FACTORY_CONTENT, None)];
        if Path::new(&folder).exists() {
            expected.push((CLAP_PRESET_DISCOVERY_IS_USER_CONTENT, Some(folder.clone())));
        }
        assert_eq!(declared.locations, expected);
        assert_eq!(declared.extensions, ["tagvane"]);
    });
}
