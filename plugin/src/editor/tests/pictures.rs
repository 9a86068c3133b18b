//! How the window looks.

use super::*;
use egui::{Key, Modifiers};
use egui_kittest::SnapshotOptions;
use egui_kittest::kittest::Queryable as _;

/// Some of what a band sounds like, and then something slow.
fn played() -> Desk {
    let mut desk = Desk::new();
    desk.play(
        14.0,
        &[("rock", 0.82), ("guitar", 0.64), ("drums", 0.45), ("fast", 0.38), ("metal", 0.3), ("loud", 0.22)],
    );
    desk.play(8.0, &[("strings", 0.7), ("classical", 0.61), ("slow", 0.55), ("violin", 0.34), ("ambient", 0.2)]);
    desk.play(6.0, &[("rock", 0.9), ("guitar", 0.7), ("drums", 0.52), ("fast", 0.4), ("metal", 0.35)]);
    super::super::tags::map(&desk.parts, 0, vec!["rock".into()]);
    super::super::tags::map(&desk.parts, 1, vec!["strings".into(), "violin".into()]);
    desk.parts.controls.view.lock().seconds = 30.0;
    desk.play(1.0, &[("rock", 0.9), ("guitar", 0.7), ("drums", 0.52), ("fast", 0.4), ("metal", 0.35)]);
    desk
}

fn compare(harness: &mut Harness<'_, Desk>, name: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/editor/tests/pictures");
    // Rounding differs from processor to processor: a few pixels on edges.
    let options = SnapshotOptions::new().output_path(folder).threshold(1.0).max_failed_pixels(60_usize);
    harness.snapshot_options(name, &options);
}

#[test]
fn pages_look_as_they_did() {
    let mut harness = open(played(), (960.0, 640.0), 1.0);
    // The footer's figures are of this machine.
    harness.run_steps(90);
    for (key, name) in [(Key::Num2, "taggram"), (Key::Num3, "slots"), (Key::Num4, "outputs"), (Key::Num5, "model")] {
        harness.key_press_modifiers(Modifiers::COMMAND, key);
        harness.run_steps(4);
        let footer = egui::Rect::from_min_max(egui::Pos2::new(0.0, 604.0), egui::Pos2::new(960.0, 640.0));
        harness.mask(footer);
        compare(&mut harness, name);
    }
}

#[test]
fn light_and_narrow_look_as_they_did() {
    let desk = played();
    {
        let mut view = desk.parts.controls.view.lock();
        (view.light, view.grouped) = (true, true);
        view.pin("slow");
    }
    let mut harness = open(desk, (560.0, 640.0), 1.0);
    harness.run_steps(90);
    harness.get_by_label("Tags").click();
    harness.run_steps(4);
    harness.mask(egui::Rect::from_min_max(egui::Pos2::new(0.0, 604.0), egui::Pos2::new(560.0, 640.0)));
    compare(&mut harness, "light");
}

#[test]
fn every_size_and_scale_is_drawn() {
    for (size, scale) in [
        ((480.0, 320.0), 1.0),
        ((480.0, 320.0), 3.0),
        ((762.0, 400.0), 1.5),
        ((1_280.0, 800.0), 2.0),
        ((3_840.0, 2_160.0), 1.0),
    ] {
        let mut harness = open(played(), size, scale);
        for key in [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5] {
            harness.key_press_modifiers(Modifiers::COMMAND, key);
            harness.run_steps(3);
            for node in harness.get_all_by_role(egui::accesskit::Role::Button) {
                let rect = node.rect();
                assert!(rect.left() >= -1.0 && rect.right() <= size.0 + 1.0, "{size:?}: {rect:?} is beside the window");
            }
            let header: Vec<egui::Rect> = harness
                .get_all(egui_kittest::kittest::By::new().predicate(|node| {
                    use egui::accesskit::Role::{Button, ComboBox};
                    matches!(node.role(), Button | ComboBox)
                }))
                .map(|node| node.rect())
                .filter(|rect| rect.bottom() < 46.0)
                .collect();
            for (at, rect) in header.iter().enumerate() {
                let over = header[..at].iter().find(|other| other.shrink(1.0).intersects(*rect));
                assert!(over.is_none(), "{size:?}: {rect:?} is over {over:?}");
            }
        }
        let picture = harness.render().unwrap();
        assert_eq!((picture.width() as f32, picture.height() as f32), (size.0 * scale, size.1 * scale));
        let colors: std::collections::HashSet<_> = picture.pixels().map(|pixel| pixel.0).collect();
        assert!(colors.len() > 20, "{size:?} at {scale}: a picture of {} colours", colors.len());
    }
}
