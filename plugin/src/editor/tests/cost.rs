//! Measures the cost of a frame.

use super::*;
use egui::{Event, Pos2, RawInput, Rect, Vec2};
use std::time::{Duration, Instant};

/// The size of the window.
const SIZE: (f32, f32) = (1_280.0, 800.0);

/// The number of measured frames.
const FRAMES: usize = 600;

/// Measures frames with new predictions, from events to triangles, without a graphics card. Prints the
/// medians of layout and tessellation in milliseconds as a line of JSON.
#[test]
#[ignore = "a benchmark; `cargo xtask bench window` runs it"]
fn frames_cost() {
    let mut session = TestSession::new();
    session.play(60.0, &[("rock", 0.8), ("guitar", 0.6), ("drums", 0.5)]);
    let context = egui::Context::default();
    let rect = Rect::from_min_size(Pos2::ZERO, Vec2::new(SIZE.0, SIZE.1));
    let (mut layout, mut triangles) = (Vec::new(), Vec::new());
    for frame in 0..FRAMES {
        // Six frames per prediction, as on a screen of 60 Hz, with changing values.
        if frame % 6 == 0 {
            let level = (frame % 120) as f32 / 120.0;
            session.play(0.1, &[("rock", level), ("guitar", 1.0 - level), ("drums", 0.5)]);
        }
        let pointer = Event::PointerMoved(Pos2::new(200.0, 100.0 + (frame % 300) as f32));
        let input = RawInput {
            screen_rect: Some(rect),
            time: Some(frame as f64 / 60.0),
            events: vec![pointer],
            ..RawInput::default()
        };
        let start = Instant::now();
        let TestSession { editor, instance, context: gui, .. } = &mut session;
        let output = context.run_ui(input, |ui| editor.show(ui, instance, &gui.param_setter()));
        layout.push(start.elapsed());
        let start = Instant::now();
        let meshes = context.tessellate(output.shapes, output.pixels_per_point);
        triangles.push(start.elapsed());
        assert!(!meshes.is_empty());
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    println!("{}", serde_json::json!({ "layout": median(&mut layout), "triangles": median(&mut triangles) }));
}
