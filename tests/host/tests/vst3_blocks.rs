//! VST3 blocks whose buses are not those of the layout, and states on other threads: what clap-wrapper alone would
//! follow into nothing, or leave undone.
#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use tagvane_host::testing::{bundle, edit_state};
use tagvane_host::vst3_host::{Module, Vst3Session, stream};
use tagvane_host::{Session, Setup};
use vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, IAudioProcessor, IAudioProcessorTrait, IComponent, IComponentTrait,
    IEditController, IEditControllerTrait, ProcessData, ProcessSetup, SpeakerArr,
};
use vst3::Steinberg::{IPluginBaseTrait, kInvalidArgument, kResultFalse, kResultOk, tresult};
use vst3::{ComPtr, ComRef};

const SETUP: Setup = Setup { sample_rate: 48_000.0, max_block_frames: 64, channels: 2, offline: true };

/// Frames in a block.
const FRAMES: usize = 64;

/// A running stereo plugin.
fn running() -> (Vst3Session, ComPtr<IAudioProcessor>) {
    let mut session = Vst3Session::open(&bundle("vst3")).unwrap();
    session.start(SETUP).unwrap();
    let processor = session.component().cast::<IAudioProcessor>().unwrap();
    (session, processor)
}

/// Processes a block whose buses have these numbers of channels; `None` for no bus. Channel `n` of the input has the
/// value `n + 1` everywhere. Returns the result and the first sample of each output channel.
fn process(processor: &ComPtr<IAudioProcessor>, inputs: Option<usize>, outputs: Option<usize>) -> (tresult, Vec<f32>) {
    let mut input: Vec<Vec<f32>> = (0..inputs.unwrap_or(0)).map(|channel| vec![channel as f32 + 1.0; FRAMES]).collect();
    let mut output = vec![vec![99.0_f32; FRAMES]; outputs.unwrap_or(0)];
    let mut from: Vec<*mut f32> = input.iter_mut().map(Vec::as_mut_ptr).collect();
    let mut to: Vec<*mut f32> = output.iter_mut().map(Vec::as_mut_ptr).collect();
    let bus = |channels: &mut Vec<*mut f32>| AudioBusBuffers {
        numChannels: channels.len() as i32,
        silenceFlags: 0,
        __field0: AudioBusBuffers__type0 { channelBuffers32: channels.as_mut_ptr() },
    };
    let (mut input_bus, mut output_bus) = (bus(&mut from), bus(&mut to));
    // SAFETY: all zeros are a valid value of the plain C struct.
    let mut data: ProcessData = unsafe { std::mem::zeroed() };
    data.numSamples = FRAMES as i32;
    if inputs.is_some() {
        (data.numInputs, data.inputs) = (1, &mut input_bus);
    }
    if outputs.is_some() {
        (data.numOutputs, data.outputs) = (1, &mut output_bus);
    }
    // SAFETY: everything that the block points to lives until the end of this function.
    let result = unsafe { processor.process(&mut data) };
    for channel in &output {
        assert!(channel.iter().all(|sample| *sample == channel[0]), "a part of the channel was written");
    }
    (result, output.iter().map(|channel| channel[0]).collect())
}

/// A host with a bus of 64 channels, or of one, or without any, crashed the process or got what was in its buffer.
#[test]
fn audio_of_other_buses_passes_through() {
    let (mut session, processor) = running();
    for (inputs, outputs, expected) in [
        (Some(2), Some(2), vec![1.0, 2.0]),
        (Some(1), Some(1), vec![1.0]),
        (Some(1), Some(2), vec![1.0, 0.0]),
        (Some(6), Some(6), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        (Some(64), Some(64), (1..=64).map(|channel| channel as f32).collect()),
        (Some(64), Some(2), vec![1.0, 2.0]),
        (Some(0), Some(2), vec![0.0, 0.0]),
        (None, Some(2), vec![0.0, 0.0]),
        (Some(2), None, vec![]),
        (None, None, vec![]),
        (Some(2), Some(2), vec![1.0, 2.0]),
    ] {
        let (result, output) = process(&processor, inputs, outputs);
        assert_eq!((result, output), (kResultOk, expected), "{inputs:?} in, {outputs:?} out");
    }
    let input = vec![vec![0.25; FRAMES]; 2];
    let mut output = vec![vec![0.0; FRAMES]; 2];
    session.process(&input, &mut output).unwrap();
    assert_eq!(output, input);
}

#[test]
fn null_channels_and_blocks_in_double_precision_are_harmless() {
    let (_session, processor) = running();
    let mut channel = vec![99.0_f32; FRAMES];
    let (mut nulls, mut half) = ([ptr::null_mut(); 2], [channel.as_mut_ptr(), ptr::null_mut()]);
    let bus = |channels: *mut *mut f32, count| AudioBusBuffers {
        numChannels: count,
        silenceFlags: 0,
        __field0: AudioBusBuffers__type0 { channelBuffers32: channels },
    };
    for (mut input, mut output) in [
        (bus(nulls.as_mut_ptr(), 2), bus(half.as_mut_ptr(), 2)),
        (bus(half.as_mut_ptr(), 2), bus(nulls.as_mut_ptr(), 2)),
        (bus(ptr::null_mut(), 2), bus(half.as_mut_ptr(), 2)),
        (bus(half.as_mut_ptr(), -1), bus(ptr::null_mut(), 2)),
    ] {
        // SAFETY: as in `process`.
        unsafe {
            let mut data: ProcessData = std::mem::zeroed();
            (data.numSamples, data.numInputs, data.numOutputs) = (FRAMES as i32, 1, 1);
            (data.inputs, data.outputs) = (&mut input, &mut output);
            assert_eq!(processor.process(&mut data), kResultOk);
            data.symbolicSampleSize = 1;
            assert_eq!(processor.process(&mut data), kResultFalse);
            assert_eq!(processor.process(ptr::null_mut()), kInvalidArgument);
        }
    }
    assert_eq!(process(&processor, Some(2), Some(2)), (kResultOk, vec![1.0, 2.0]));
}

/// The host's arrangement is the one that it reads back. The input cannot differ from the output, and an active plugin
/// keeps its layout.
#[test]
fn arrangements_are_those_of_the_layouts() {
    let module = Module::load(&bundle("vst3")).unwrap();
    let component = module.create_component().unwrap();
    let processor = component.cast::<IAudioProcessor>().unwrap();
    // SAFETY: VST3's own functions, on one thread, with values that live.
    unsafe {
        assert_eq!(component.initialize(ptr::null_mut()), kResultOk);
        let set = |mut input: u64, mut output: u64| processor.setBusArrangements(&mut input, 1, &mut output, 1);
        let get = |direction| {
            let mut arrangement = 0;
            assert_eq!(processor.getBusArrangement(direction, 0, &mut arrangement), kResultOk);
            arrangement
        };
        let channels = || {
            let mut bus = std::mem::zeroed();
            assert_eq!(component.getBusInfo(0, 0, 0, &mut bus), kResultOk);
            bus.channelCount
        };
        assert_eq!((get(0), get(1), channels()), (SpeakerArr::kStereo, SpeakerArr::kStereo, 2));
        for (arrangement, count) in [
            (SpeakerArr::kMono, 1),
            (SpeakerArr::k51, 6),
            (SpeakerArr::k40Music, 4),
            (SpeakerArr::k71Music, 8),
            (SpeakerArr::kStereo, 2),
            (SpeakerArr::kMono, 1),
        ] {
            assert_eq!(set(arrangement, arrangement), kResultOk, "{count} channels");
            assert_eq!((get(0), get(1), channels()), (arrangement, arrangement, count));
            for (input, output) in [(SpeakerArr::kMono, SpeakerArr::kStereo), (0, 0), (u64::MAX, u64::MAX), (7, 7)] {
                assert_eq!(set(input, output), kResultFalse);
                assert_eq!((get(0), get(1), channels()), (arrangement, arrangement, count));
            }
        }
        let mut setup =
            ProcessSetup { processMode: 0, symbolicSampleSize: 0, maxSamplesPerBlock: 64, sampleRate: 48_000.0 };
        assert_eq!(processor.setupProcessing(&mut setup), kResultOk);
        assert_eq!(component.setActive(1), kResultOk);
        assert_eq!(set(SpeakerArr::kStereo, SpeakerArr::kStereo), kResultFalse);
        processor.setProcessing(1);
        assert_eq!(process(&processor, Some(1), Some(1)), (kResultOk, vec![1.0]));
        assert_eq!(component.setActive(0), kResultOk);
        // A new instance is stereo again.
        assert_eq!(component.terminate(), kResultOk);
        assert_eq!(component.initialize(ptr::null_mut()), kResultOk);
        assert_eq!((get(0), get(1), channels()), (SpeakerArr::kStereo, SpeakerArr::kStereo, 2));
        component.terminate();
    }
}

/// A pointer for another thread.
struct Sent(*mut IComponent);
// SAFETY: the tests use the component on one thread at a time.
unsafe impl Send for Sent {}

/// Hosts load projects on threads of their own. The controller then had the values from before, which Live sends back
/// to the plugin: the state was lost.
#[test]
fn a_state_that_is_loaded_on_another_thread_reaches_the_controller() {
    let mut session = Vst3Session::open(&bundle("vst3")).unwrap();
    let fresh = session.save().unwrap();
    let bypass = session.parameters().iter().find(|parameter| parameter.name == "Bypass").unwrap().id;
    let state = edit_state(&fresh, |json| {
        json["params"]["bypass"] = serde_json::json!({ "bool": true });
        json["params"]["threshold_3"] = serde_json::json!({ "f32": 0.25 });
        json["params"]["midi_first"] = serde_json::json!({ "i32": 77 });
        json["fields"]["slots"] = "[0.5,0.0,0.0,0.0,0.0,0.0,0.0,0.75]".into();
    });
    for state in [&state, &fresh, &state] {
        let component = Sent(session.component().as_ptr());
        let bytes = state.clone();
        let loading = std::thread::spawn(move || {
            let component = component;
            // SAFETY: the main thread waits for this one.
            unsafe { load(component.0, &bytes) }
        });
        assert_eq!(loading.join().unwrap(), kResultOk);
        let is_bypassed = state != &fresh;
        assert_eq!(session.value(bypass), Some(f64::from(u8::from(is_bypassed))));
        // As in Live, all values come back.
        session.start(SETUP).unwrap();
        for parameter in session.parameters() {
            let value = session.value(parameter.id).unwrap();
            session.set(parameter.id, value);
        }
        session.process(&vec![vec![0.0; FRAMES]; 2], &mut [vec![0.0; FRAMES], vec![0.0; FRAMES]]).unwrap();
        session.stop();
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(&bytes[8..]).unwrap();
        assert!(json(&session.save().unwrap()) == json(state), "the values from before came back");
    }
}

/// A state is saved with values that were set in the controller while another thread processes blocks: the two meet
/// within some of the blocks.
#[test]
fn no_block_loses_its_audio_to_a_state_that_is_saved() {
    let (mut session, processor) = running();
    let parameters: Vec<u32> = session.parameters().iter().map(|parameter| parameter.id).collect();
    let component = Sent(session.component().as_ptr());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (parameters, is_done) = (&parameters, &is_done);
        scope.spawn(move || {
            let component = component;
            // SAFETY: VST3's functions for the main thread, which this one is in this test.
            let component = unsafe { ComRef::from_raw(component.0).unwrap().to_com_ptr() };
            let controller = component.cast::<IEditController>().unwrap();
            for round in 0..300 {
                for id in parameters {
                    // SAFETY: as above.
                    assert_eq!(unsafe { controller.setParamNormalized(*id, f64::from(round % 2)) }, kResultOk);
                }
                // SAFETY: as above.
                assert_eq!(unsafe { component.getState(stream(&[]).as_ptr()) }, kResultOk);
            }
            is_done.store(true, Ordering::Relaxed);
        });
        while !is_done.load(Ordering::Relaxed) {
            assert_eq!(process(&processor, Some(2), Some(2)), (kResultOk, vec![1.0, 2.0]));
        }
    });
}

/// Loads a state into a component and its controller.
///
/// # Safety
/// The component lives, and no other thread uses it.
unsafe fn load(component: *mut IComponent, state: &[u8]) -> tresult {
    // SAFETY: by the caller; the streams live until the end of the calls.
    unsafe {
        let component = ComRef::from_raw(component).unwrap().to_com_ptr();
        let (first, second) = (stream(state), stream(state));
        let result = component.setState(first.as_ptr());
        component.cast::<IEditController>().unwrap().setComponentState(second.as_ptr());
        result
    }
}
