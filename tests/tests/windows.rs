//! The plugin's own window, opened by a host: CLAP and VST3, on an X server without a monitor.
#![cfg(target_os = "linux")]

use serde_json::json;
use std::fs::{self, File};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tagvane_host::window::{Picture, Window};
use tagvane_host::{Session, Size};
use tagvane_tests::process::{self, files, threads};
use tagvane_tests::{FORMATS, bounce, changed_state, clip, open, screen, send};

/// The first and the smallest size of the window on a screen that is not scaled.
const USUAL: Size = (960, 640);
const SMALLEST: Size = (480, 320);

/// The window's background, in the theme that a new instance has.
const BACKGROUND: [u8; 3] = [0x14, 0x17, 0x1c];

fn scaled((width, height): Size, scale: f64) -> Size {
    ((f64::from(width) * scale).round() as u32, (f64::from(height) * scale).round() as u32)
}

/// A plugin that has heard six seconds of rock, as a bounce, and stands since.
fn listened(format: &str) -> Box<dyn Session> {
    let mut session = open(format);
    let music = clip("rock");
    session.start(bounce(f64::from(music.sample_rate), 4_096)).unwrap();
    let side = &music.channels[0][..6 * music.sample_rate as usize];
    for block in side.chunks(4_096) {
        session.process(&[block.to_vec(), block.to_vec()], &mut vec![vec![0.0; block.len()]; 2]).unwrap();
    }
    session
}

/// The plugin's window in one of the host's.
struct Opened {
    window: Window,
    size: Size,
}

fn show(session: &mut dyn Session, scale: f64) -> Opened {
    let window = Window::open("test").unwrap();
    let size = session.open_window(window.id(), scale).unwrap();
    window.resize(size);
    Opened { window, size }
}

impl Opened {
    fn at(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
        picture.pixels[(y * picture.size.0 + x) as usize]
    }

    /// What it looks like, once all of it is drawn and nothing moves any more.
    fn picture(&self, session: &mut dyn Session) -> Picture {
        let (width, height) = self.size;
        let mut last = self.window.picture(self.size).unwrap();
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < Duration::from_secs(60), "the window does not come to rest");
            for _ in 0..10 {
                session.idle();
                sleep(Duration::from_millis(30));
            }
            let now = self.window.picture(self.size).unwrap();
            let corners = [(1, 1), (width - 2, 1), (1, height - 2), (width - 2, height - 2)];
            if corners.iter().all(|(x, y)| Self::at(&now, *x, *y) == BACKGROUND) && now.pixels == last.pixels {
                return now;
            }
            last = now;
        }
    }
}

/// Keeps a picture for people to look at.
fn keep(name: &str, picture: &Picture) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("windows");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name).with_extension("png");
    let mut encoder = png::Encoder::new(File::create(&path).unwrap(), picture.size.0, picture.size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(picture.pixels.as_flattened()).unwrap();
    println!("{}", path.display());
}

/// A picture's mean colours in squares, as many across and down in pictures of any scale.
fn mosaic(picture: &Picture, square: f64) -> Vec<[f64; 3]> {
    let (width, height) = picture.size;
    let edges = |length: u32| (0..=(f64::from(length) / square) as u32).map(move |n| (f64::from(n) * square) as u32);
    let (across, down): (Vec<u32>, Vec<u32>) = (edges(width).collect(), edges(height).collect());
    let mut means = Vec::new();
    for rows in down.windows(2) {
        for columns in across.windows(2) {
            let mut sum = [0.0; 3];
            for y in rows[0]..rows[1] {
                for x in columns[0]..columns[1] {
                    let pixel = Opened::at(picture, x, y);
                    (0..3).for_each(|channel| sum[channel] += f64::from(pixel[channel]));
                }
            }
            let count = f64::from((rows[1] - rows[0]) * (columns[1] - columns[0]));
            means.push(sum.map(|sum| sum / count));
        }
    }
    means
}

/// How far two pictures are apart in the mean, in steps of 256.
fn distance(a: &[[f64; 3]], b: &[[f64; 3]]) -> f64 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs());
    differences.sum::<f64>() / (3 * a.len()) as f64
}

/// A CLAP's can be hidden and stay open: nothing of it is on the screen then, and what was heard
/// meanwhile is there when it is shown again.
#[test]
fn a_window_that_was_hidden_shows_what_is_new() {
    if !screen::goes_on("a_window_that_was_hidden_shows_what_is_new", &[], &[]) {
        return;
    }
    let mut session = listened("clap");
    let opened = show(session.as_mut(), 1.0);
    let before = mosaic(&opened.picture(session.as_mut()), 8.0);
    session.hide_window(true).unwrap();
    let music = clip("electronic");
    for block in music.channels[0][..6 * music.sample_rate as usize].chunks(4_096) {
        session.process(&[block.to_vec(), block.to_vec()], &mut vec![vec![0.0; block.len()]; 2]).unwrap();
    }
    sleep(Duration::from_millis(300));
    let hidden = opened.window.picture(opened.size).unwrap();
    assert_ne!(Opened::at(&hidden, 1, 1), BACKGROUND, "it is still on the screen");
    session.hide_window(false).unwrap();
    let after = mosaic(&opened.picture(session.as_mut()), 8.0);
    let apart = distance(&before, &after);
    println!("{apart:.2} apart");
    assert!(apart > 0.5, "it shows what it showed before: {apart:.2} apart");
}

#[test]
fn a_scaled_screen_shows_the_same_window_larger_in_both_formats() {
    if !screen::goes_on("a_scaled_screen_shows_the_same_window_larger_in_both_formats", &[], &[]) {
        return;
    }
    let mut first: Option<Vec<[f64; 3]>> = None;
    for format in FORMATS {
        let mut session = listened(format);
        for scale in [1.0, 1.5, 2.0, 3.0] {
            let opened = show(session.as_mut(), scale);
            assert_eq!(opened.size, scaled(USUAL, scale), "{format} at {scale}");
            let picture = opened.picture(session.as_mut());
            keep(&format!("{format}-scale-{scale}"), &picture);
            let squares = mosaic(&picture, 8.0 * scale);
            let expected = first.get_or_insert_with(|| squares.clone());
            let (apart, blank) =
                (distance(&squares, expected), distance(&squares, &vec![BACKGROUND.map(f64::from); squares.len()]));
            println!("{format} at {scale}: {apart:.2} from the first, {blank:.2} from nothing");
            assert!(blank > 8.0, "{format} at {scale}: there is hardly anything");
            assert!(apart < 0.25 * blank, "{format} at {scale}: {apart:.2} from the first");
            session.close_window();
        }
    }
}

#[test]
fn the_window_takes_every_size_within_its_limits() {
    if !screen::goes_on("the_window_takes_every_size_within_its_limits", &[], &[]) {
        return;
    }
    for format in FORMATS {
        let mut session = listened(format);
        let mut opened = show(session.as_mut(), 1.0);
        for (wanted, taken) in [
            (SMALLEST, SMALLEST),
            ((1_280, 800), (1_280, 800)),
            ((3_840, 2_160), (3_840, 2_160)),
            ((100, 100), SMALLEST),
            ((761, 543), (761, 543)),
        ] {
            opened.size = session.resize_window(wanted).unwrap();
            assert_eq!(opened.size, taken, "{format}, asked for {wanted:?}");
            opened.window.resize(opened.size);
            let picture = opened.picture(session.as_mut());
            keep(&format!("{format}-{}x{}", taken.0, taken.1), &picture);
        }
        session.close_window();
    }
}

#[test]
fn a_window_can_be_closed_in_the_middle_of_anything() {
    if !screen::goes_on("a_window_can_be_closed_in_the_middle_of_anything", &[], &[]) {
        return;
    }
    for format in FORMATS {
        let mut session = listened(format);
        let state = session.save().unwrap();
        // Everything that is loaded once is there after the first time.
        let opened = show(session.as_mut(), 1.0);
        opened.picture(session.as_mut());
        session.close_window();
        drop(opened);
        let before = (threads(), files());

        for round in 0..9_u8 {
            let opened = show(session.as_mut(), 1.0);
            match round % 3 {
                // While it is being drawn for the first time.
                0 => {}
                // While a tag is on its way to a slot.
                1 => {
                    opened.picture(session.as_mut());
                    opened.window.point((60, 90)).unwrap();
                    opened.window.press(true).unwrap();
                    opened.window.point((70, 300)).unwrap();
                    opened.window.point((200, 588)).unwrap();
                    sleep(Duration::from_millis(100));
                }
                // While another model is being loaded.
                _ => {
                    let model = ["MagnaTagATune 50", "Million Song 50"][usize::from(round / 3 % 2)];
                    let other = changed_state(&state, "model", &json!({ "shipped": model }));
                    assert!(session.load(&other), "{format}");
                }
            }
            session.close_window();
            if round % 3 == 1 {
                opened.window.press(false).unwrap();
            }
            // A closed window leaves the plugin listening.
            send(session.as_mut(), 0.5, 512, 4).unwrap();
        }
        assert!(session.load(&state));
        let started = Instant::now();
        while threads() > before.0 && started.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(50));
        }
        let after = (threads(), files());
        assert!(after.0 <= before.0, "{format}: threads linger: {after:?}, {before:?} before");
        assert!(after.1 <= before.1, "{format}: files linger: {after:?}, {before:?} before");
        // Nothing of the drag lingers either: what was drawn before is drawn again.
        let opened = show(session.as_mut(), 1.0);
        opened.picture(session.as_mut());
        session.close_window();
    }
}

#[test]
fn windows_that_were_closed_leave_no_memory_behind() {
    if !screen::goes_on("windows_that_were_closed_leave_no_memory_behind", &[], &process::GIVES_BACK) {
        return;
    }
    for format in FORMATS {
        let mut session = listened(format);
        let mut memory = Vec::new();
        for round in 0..60 {
            let opened = show(session.as_mut(), 1.0);
            sleep(Duration::from_millis(120));
            session.close_window();
            drop(opened);
            if round % 20 == 19 {
                memory.push(process::resident());
            }
        }
        println!("{format}: resident MB every 20 windows: {memory:.1?}");
        assert!(memory[2] < memory[0] + 20.0, "{format}: memory grows: {memory:.1?}");
    }
}

#[test]
fn without_opengl_there_is_no_window_and_the_plugin_works() {
    let name = "without_opengl_there_is_no_window_and_the_plugin_works";
    // Neither by the display nor by EGL, which finds no driver.
    let without = (["-extension", "GLX"], [("__EGL_VENDOR_LIBRARY_FILENAMES", "/dev/null")]);
    if !screen::goes_on(name, &without.0, &without.1) {
        return;
    }
    for format in FORMATS {
        let mut session = listened(format);
        let window = Window::open("test").unwrap();
        let opened = session.open_window(window.id(), 1.0);
        println!("{format}: {opened:?}");
        if format == "clap" {
            let said = opened.unwrap_err().to_string();
            assert!(said.contains("Tagvane.clap"), "{said}");
        }
        let announced = send(session.as_mut(), 0.5, 4_096, 40).unwrap();
        assert!(!announced.is_empty(), "{format}: it hears nothing any more");
        session.close_window();
        assert!(session.parameters().iter().any(|parameter| parameter.name == "rock"), "{format}");
    }
}
