//! Comparisons with reference pictures.

use super::*;
use crate::editor::tag_bars::map_to_slot;
use egui::{Key, Modifiers};
use egui_kittest::SnapshotOptions;
use egui_kittest::kittest::Queryable as _;

/// A session in which a rock song, a slow piece and the rock song again were played, with two mapped slots.
fn played_session() -> TestSession {
    // A folder that does not exist, since the page of the model shows it.
    let mut session = TestSession::with_library("/nowhere/models".into());
    session.play(
        14.0,
        &[("rock", 0.82), ("guitar", 0.64), ("drums", 0.45), ("fast", 0.38), ("metal", 0.3), ("loud", 0.22)],
    );
    session.play(8.0, &[("strings", 0.7), ("classical", 0.61), ("slow", 0.55), ("violin", 0.34), ("ambient", 0.2)]);
    session.play(6.0, &[("rock", 0.9), ("guitar", 0.7), ("drums", 0.52), ("fast", 0.4), ("metal", 0.35)]);
    map_to_slot(&session.instance, 0, vec!["rock".into()]);
    map_to_slot(&session.instance, 1, vec!["strings".into(), "violin".into()]);
    session.instance.params.view.lock().taggram_seconds = 30.0;
    session.play(1.0, &[("rock", 0.9), ("guitar", 0.7), ("drums", 0.52), ("fast", 0.4), ("metal", 0.35)]);
    session
}

pub(super) fn compare(harness: &mut Harness<'_, TestSession>, name: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/editor/tests/pictures");
    // Processors round differently, which changes a few pixels on edges.
    let options = SnapshotOptions::new().output_path(folder).threshold(1.0).max_failed_pixels(60_usize);
    harness.snapshot_options(name, &options);
}

#[test]
fn pages_match_the_reference_pictures() {
    let mut harness = open(played_session(), (960.0, 640.0), 1.0);
    harness.run_steps(90);
    for (key, name) in [(Key::Num2, "taggram"), (Key::Num3, "slots"), (Key::Num4, "outputs"), (Key::Num5, "model")] {
        harness.key_press_modifiers(Modifiers::COMMAND, key);
        harness.run_steps(4);
        // The figures in the footer depend on the machine.
        let footer = egui::Rect::from_min_max(egui::Pos2::new(0.0, 604.0), egui::Pos2::new(960.0, 640.0));
        harness.mask(footer);
        compare(&mut harness, name);
    }
}

#[test]
fn a_narrow_window_in_the_light_theme_matches_its_reference_picture() {
    let session = played_session();
    {
        let mut view = session.instance.params.view.lock();
        (view.light, view.grouped) = (true, true);
        view.toggle_pinned("slow");
    }
    let mut harness = open(session, (560.0, 640.0), 1.0);
    harness.run_steps(90);
    harness.get_by_label("Tags").click();
    harness.run_steps(4);
    harness.mask(egui::Rect::from_min_max(egui::Pos2::new(0.0, 604.0), egui::Pos2::new(560.0, 640.0)));
    compare(&mut harness, "light");
}

#[test]
fn no_widget_is_outside_or_overlaps_at_any_size_and_scale() {
    for (size, scale) in [
        ((480.0, 320.0), 1.0),
        ((480.0, 320.0), 3.0),
        ((762.0, 400.0), 1.5),
        ((1_280.0, 800.0), 2.0),
        ((3_840.0, 2_160.0), 1.0),
    ] {
        let mut harness = open(played_session(), size, scale);
        for key in [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6] {
            harness.key_press_modifiers(Modifiers::COMMAND, key);
            harness.run_steps(3);
            for node in harness.get_all_by_role(egui::accesskit::Role::Button) {
                let rect = node.rect();
                assert!(
                    rect.left() >= -1.0 && rect.right() <= size.0 + 1.0,
                    "{size:?}: {rect:?} is outside of the window"
                );
            }
            let header: Vec<egui::Rect> = harness
                .get_all(egui_kittest::kittest::By::new().predicate(|node| {
                    use egui::accesskit::Role::{Button, ComboBox};
                    matches!(node.role(), Button | ComboBox)
                }))
                .map(|node| node.rect())
                .filter(|rect| rect.bottom() < 46.0)
                .collect();
            for (index, rect) in header.iter().enumerate() {
                let overlapped = header[..index].iter().find(|other| other.shrink(1.0).intersects(*rect));
                assert!(overlapped.is_none(), "{size:?}: {rect:?} overlaps {overlapped:?}");
            }
        }
        let picture = harness.render().unwrap();
        assert_eq!((picture.width() as f32, picture.height() as f32), (size.0 * scale, size.1 * scale));
        let colors: std::collections::HashSet<_> = picture.pixels().map(|pixel| pixel.0).collect();
        assert!(colors.len() > 20, "{size:?} at {scale}: the picture has only {} colours", colors.len());
    }
}
