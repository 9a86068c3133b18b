//! The VST3 in hosts that never set a component handler, set it late or remove it, and in hosts that
//! make forbidden calls: scanners, preset tools and validators do. Each of these once crashed the
//! process.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr;
use tagvane_host::testing::{bundle, edit_state};
use tagvane_host::vst3_host::{Module, Vst3Session};
use tagvane_host::{HostRequestCounts, Session, Setup};
use vst3::Steinberg::Vst::{
    IAudioProcessor, IAudioProcessorTrait, IComponent, IComponentTrait, IEditController, IEditControllerTrait,
    INoteExpressionController, IUnitInfo, ProcessSetup,
};
use vst3::Steinberg::{FUnknown, IPluginBaseTrait, TUID, kInvalidArgument, kNoInterface, kResultOk};
use vst3::{ComPtr, Interface};

const SETUP: Setup = Setup { sample_rate: 48_000.0, max_block_frames: 512, channels: 2, offline: true };

fn parameter_id(session: &mut dyn Session, name: &str) -> u32 {
    let parameters = session.parameters();
    let parameter = parameters.iter().find(|parameter| parameter.name == name);
    parameter.unwrap_or_else(|| panic!("there is no parameter {name}")).id
}

fn with_bypass(state: &[u8]) -> Vec<u8> {
    edit_state(state, |json| json["params"]["bypass"] = serde_json::json!({ "bool": true }))
}

fn with_model(state: &[u8], name: &str) -> Vec<u8> {
    let model = serde_json::json!({ "shipped": name }).to_string();
    edit_state(state, |json| json["fields"]["model"] = model.into())
}

/// Processes 300 blocks with Write armed.
fn play_armed(session: &mut dyn Session) {
    let input = vec![vec![0.3; 512]; 2];
    let mut output = vec![vec![0.0; 512]; 2];
    session.set_playing(true);
    let write = parameter_id(session, "Write");
    session.set(write, 1.0);
    for _ in 0..300 {
        session.process(&input, &mut output).unwrap();
        assert_eq!(output, input);
    }
}

/// Does everything that makes clap-wrapper call its host, in each phase of an instance.
fn exercise_all_phases(session: &mut dyn Session) {
    let bypass = parameter_id(session, "Bypass");
    let fresh = session.save().unwrap();
    for is_active in [false, true] {
        if is_active {
            session.start(SETUP).unwrap();
            play_armed(session);
        }
        assert!(session.load(&with_bypass(&fresh)));
        assert_eq!(session.value(bypass), Some(1.0), "the controller does not have the loaded value");
        assert!(session.load(&with_model(&fresh, "Million Song 50")));
        assert_eq!(session.value(bypass), Some(0.0));
        if is_active {
            play_armed(session);
        }
        session.stop();
        // Activation updates the names of the parameters.
        session.start(SETUP).unwrap();
        session.stop();
        let parameters = session.parameters();
        assert!(parameters.iter().any(|parameter| parameter.name == "happy"), "the names are those of the old model");
        assert!(session.load(&fresh));
    }
}

/// Steinberg's validator 3.7.14 crashed in its test "Parameter Bypass persistence".
#[test]
fn an_instance_works_without_a_component_handler() {
    let mut session = Vst3Session::open_without_handler(&bundle("vst3")).unwrap();
    exercise_all_phases(&mut session);
    assert_eq!(session.request_counts(), HostRequestCounts::default());
}

#[test]
fn an_instance_works_after_its_component_handler_was_removed() {
    let mut session = Vst3Session::open(&bundle("vst3")).unwrap();
    session.start(SETUP).unwrap();
    play_armed(&mut session);
    session.set_component_handler(false);
    let before = session.request_counts();
    session.stop();
    exercise_all_phases(&mut session);
    assert_eq!(session.request_counts(), before, "the plugin called a removed handler");
    // Removed twice, and set again.
    session.set_component_handler(false);
    session.set_component_handler(true);
    exercise_all_phases(&mut session);
    assert!(session.request_counts().rescans > before.rescans);
}

#[test]
fn a_late_component_handler_receives_the_missed_rescan_once() {
    let mut session = Vst3Session::open_without_handler(&bundle("vst3")).unwrap();
    let fresh = session.save().unwrap();
    assert!(session.load(&with_bypass(&fresh)));
    session.set_component_handler(true);
    assert_eq!(session.request_counts().rescans, 0, "the handler was called inside setComponentHandler");
    session.start(SETUP).unwrap();
    assert!(session.request_counts().rescans > 0, "the handler received no rescan of the values");
    session.stop();
    let rescans = session.request_counts().rescans;
    session.set_component_handler(true);
    session.start(SETUP).unwrap();
    assert_eq!(session.request_counts().rescans, rescans, "the handler received the rescan twice");
}

/// VST3 allows a component to be terminated and initialised again.
#[test]
fn a_terminated_instance_can_be_initialised_again() {
    let session = Vst3Session::open_without_handler(&bundle("vst3")).unwrap();
    let component = session.component().clone();
    for _ in 0..3 {
        // SAFETY: VST3's own functions, on one thread; some hosts pass no context.
        unsafe {
            assert_eq!(component.terminate(), kResultOk);
            assert_eq!(component.initialize(ptr::null_mut()), kResultOk);
        }
    }
    let mut session = session;
    exercise_all_phases(&mut session);
}

/// Calls that need an initialised component fail without one.
#[test]
fn calls_before_initialize_and_after_terminate_are_refused() {
    let module = Module::load(&bundle("vst3")).unwrap();
    let component = module.create_component().unwrap();
    let refuse_all = || {
        let (processor, controller) =
            (component.cast::<IAudioProcessor>().unwrap(), component.cast::<IEditController>().unwrap());
        let mut setup =
            ProcessSetup { processMode: 0, symbolicSampleSize: 0, maxSamplesPerBlock: 64, sampleRate: 48_000.0 };
        // SAFETY: the instance lives; the invalid pointers are null.
        unsafe {
            let mut bus = std::mem::zeroed();
            assert_ne!(component.getBusInfo(0, 0, 0, &mut bus), kResultOk);
            assert_ne!(component.setActive(1), kResultOk);
            assert_ne!(component.getState(ptr::null_mut()), kResultOk);
            assert_ne!(component.setState(ptr::null_mut()), kResultOk);
            assert_ne!(processor.setupProcessing(&mut setup), kResultOk);
            assert_ne!(processor.setProcessing(1), kResultOk);
            assert_ne!(processor.setBusArrangements(ptr::null_mut(), 0, ptr::null_mut(), 0), kResultOk);
            assert_ne!(processor.process(ptr::null_mut()), kResultOk);
            assert_eq!((processor.getLatencySamples(), processor.getTailSamples()), (0, 0));
            assert_eq!(controller.getParameterCount(), 0);
            let mut text = [0; 128];
            assert_ne!(controller.getParamStringByValue(0, 0.5, &mut text), kResultOk);
            assert!(controller.createView(c"editor".as_ptr()).is_null());
            assert_eq!(controller.setComponentHandler(ptr::null_mut()), kResultOk);
        }
    };
    refuse_all();
    // SAFETY: as above.
    unsafe {
        assert_eq!(component.initialize(ptr::null_mut()), kResultOk);
        assert_eq!(component.terminate(), kResultOk);
    }
    refuse_all();
    drop(component);
    // Released without terminate.
    let component = module.create_component().unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { component.initialize(ptr::null_mut()) }, kResultOk);
}

#[test]
fn null_pointers_and_unknown_parameters_are_refused() {
    let mut session = Vst3Session::open(&bundle("vst3")).unwrap();
    let ids: Vec<u32> = session.parameters().iter().map(|parameter| parameter.id).collect();
    let component = session.component().clone();
    let (processor, controller) =
        (component.cast::<IAudioProcessor>().unwrap(), component.cast::<IEditController>().unwrap());
    // SAFETY: the instance lives; the invalid pointers are null.
    unsafe {
        for result in [
            component.setState(ptr::null_mut()),
            component.getState(ptr::null_mut()),
            component.getBusInfo(0, 0, 0, ptr::null_mut()),
            component.getControllerClassId(ptr::null_mut()),
            processor.setupProcessing(ptr::null_mut()),
            processor.process(ptr::null_mut()),
            processor.setBusArrangements(ptr::null_mut(), 1, ptr::null_mut(), 1),
            controller.setComponentState(ptr::null_mut()),
            controller.getParameterInfo(0, ptr::null_mut()),
            controller.getParamStringByValue(ids[0], 0.5, ptr::null_mut()),
            controller.getParamValueByString(ids[0], ptr::null_mut(), ptr::null_mut()),
        ] {
            assert_eq!(result, kInvalidArgument);
        }
        let mut text = [0; 128];
        for unknown in [0, 1, 0x7fff_ffff, u32::MAX] {
            assert!(!ids.contains(&unknown));
            assert_eq!(controller.getParamStringByValue(unknown, 0.5, &mut text), kInvalidArgument);
            assert_eq!(controller.getParamNormalized(unknown), 0.0);
            controller.setParamNormalized(unknown, 0.5);
        }
        for id in &ids {
            for value in [0.0, 0.5, 1.0, -1.0, 2.0, f64::NAN, f64::INFINITY] {
                controller.getParamStringByValue(*id, value, &mut text);
            }
        }
    }
    // Texts longer than clap-wrapper's buffer.
    for text in ["x".repeat(126), "x".repeat(127), "x".repeat(128), "x".repeat(5_000), "€".repeat(60), "😀".repeat(127)]
    {
        assert!(ids.iter().all(|id| session.parse(*id, &text).is_none_or(f64::is_finite)));
        assert_eq!(session.parse(0x7fff_ffff, &text), None);
    }
    exercise_all_phases(&mut session);
}

/// Each interface returns the same `FUnknown`, so the object has one identity.
#[test]
fn a_query_of_each_interface_finds_all_others() {
    let session = Vst3Session::open(&bundle("vst3")).unwrap();
    let component = session.component();
    let identities: [ComPtr<FUnknown>; 3] = [
        component.cast::<FUnknown>().unwrap(),
        component.cast::<IAudioProcessor>().unwrap().cast().unwrap(),
        component.cast::<IEditController>().unwrap().cast().unwrap(),
    ];
    let is_same = identities.iter().all(|unknown| unknown.as_ptr() == identities[0].as_ptr());
    assert!(is_same, "the interfaces return different identities");
    for unknown in &identities {
        let controller = unknown.cast::<IEditController>().unwrap();
        assert_eq!(controller.cast::<IComponent>().unwrap().as_ptr(), component.as_ptr());
        // Interfaces of clap-wrapper's own object.
        assert!(controller.cast::<IUnitInfo>().is_some() && controller.cast::<INoteExpressionController>().is_some());
    }
    let raw = component.as_ptr().cast::<FUnknown>();
    // SAFETY: the instance lives; the invalid pointers are null.
    unsafe {
        let query = (*(*raw).vtbl).queryInterface;
        let mut object: *mut c_void = ptr::dangling_mut();
        let unknown_iid: TUID = [7; 16];
        assert_eq!(query(raw, &unknown_iid, &mut object), kNoInterface);
        assert!(object.is_null());
        assert_eq!(query(raw, ptr::null(), &mut object), kInvalidArgument);
        assert_eq!(query(raw, IComponent::IID.as_ptr().cast(), ptr::null_mut()), kInvalidArgument);
    }
}

#[test]
fn a_value_that_is_no_number_does_not_reach_the_controller() {
    let mut session = Vst3Session::open(&bundle("vst3")).unwrap();
    for parameter in session.parameters() {
        let before = session.value(parameter.id).unwrap();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            session.set_controller(parameter.id, value);
            assert_eq!(session.value(parameter.id), Some(before), "{}", parameter.name);
        }
    }
}
