//! The plugin's editor window in a host, in both formats, on a virtual screen.
#![cfg(target_os = "linux")]

use serde_json::json;
use std::fs::{self, File};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tagvane_host::window::{Screenshot, Window};
use tagvane_host::{Session, Size};
use tagvane_tests::process::{self, open_file_count, thread_count};
use tagvane_tests::{FORMATS, bounce_setup, clip, open, screen, send_noise, state_with_field};

/// The default and the minimum size of the window at scale 1.
const DEFAULT_SIZE: Size = (960, 640);
const MIN_SIZE: Size = (480, 320);

/// The window's background colour in the default theme.
const BACKGROUND: [u8; 3] = [0x14, 0x17, 0x1c];

fn scaled((width, height): Size, scale: f64) -> Size {
    ((f64::from(width) * scale).round() as u32, (f64::from(height) * scale).round() as u32)
}

/// A plugin after a bounce of six seconds of rock.
fn plugin_after_playing(format: &str) -> Box<dyn Session> {
    let mut session = open(format);
    let music = clip("rock");
    session.start(bounce_setup(f64::from(music.sample_rate), 4_096)).unwrap();
    let channel = &music.channels[0][..6 * music.sample_rate as usize];
    for block in channel.chunks(4_096) {
        session.process(&[block.to_vec(), block.to_vec()], &mut vec![vec![0.0; block.len()]; 2]).unwrap();
    }
    session
}

/// The plugin's window inside a window of the host.
struct EditorWindow {
    window: Window,
    size: Size,
}

fn open_window(session: &mut dyn Session, scale: f64) -> EditorWindow {
    let window = Window::open("test").unwrap();
    let size = session.open_window(window.id(), scale).unwrap();
    window.resize(size);
    EditorWindow { window, size }
}

impl EditorWindow {
    /// The colour of a pixel.
    fn pixel(screenshot: &Screenshot, x: u32, y: u32) -> [u8; 3] {
        screenshot.pixels[(y * screenshot.size.0 + x) as usize]
    }

    /// Takes a screenshot when the window is drawn completely and no longer changes.
    fn screenshot(&self, session: &mut dyn Session) -> Screenshot {
        let (width, height) = self.size;
        let mut last = self.window.screenshot(self.size).unwrap();
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < Duration::from_secs(60), "the window still changes after 60 s");
            for _ in 0..10 {
                session.idle();
                sleep(Duration::from_millis(30));
            }
            let now = self.window.screenshot(self.size).unwrap();
            let corners = [(1, 1), (width - 2, 1), (1, height - 2), (width - 2, height - 2)];
            let is_drawn = corners.iter().all(|(x, y)| Self::pixel(&now, *x, *y) == BACKGROUND);
            if is_drawn && now.pixels == last.pixels {
                return now;
            }
            last = now;
        }
    }
}

/// Saves a screenshot in the target folder, for visual inspection.
fn save_png(name: &str, screenshot: &Screenshot) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("windows");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name).with_extension("png");
    let mut encoder = png::Encoder::new(File::create(&path).unwrap(), screenshot.size.0, screenshot.size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(screenshot.pixels.as_flattened()).unwrap();
    println!("{}", path.display());
}

/// The mean colours of squares of `length` pixels. With a length in proportion to the scale, the
/// results of all scales can be compared.
fn mean_colours(screenshot: &Screenshot, length: f64) -> Vec<[f64; 3]> {
    let (width, height) = screenshot.size;
    let edges = |extent: u32| (0..=(f64::from(extent) / length) as u32).map(move |n| (f64::from(n) * length) as u32);
    let (column_edges, row_edges): (Vec<u32>, Vec<u32>) = (edges(width).collect(), edges(height).collect());
    let mut means = Vec::new();
    for rows in row_edges.windows(2) {
        for columns in column_edges.windows(2) {
            let mut sum = [0.0; 3];
            for y in rows[0]..rows[1] {
                for x in columns[0]..columns[1] {
                    let pixel = EditorWindow::pixel(screenshot, x, y);
                    (0..3).for_each(|channel| sum[channel] += f64::from(pixel[channel]));
                }
            }
            let count = f64::from((rows[1] - rows[0]) * (columns[1] - columns[0]));
            means.push(sum.map(|sum| sum / count));
        }
    }
    means
}

/// The mean absolute difference of two results of [`mean_colours`], in 0..=255.
fn distance(a: &[[f64; 3]], b: &[[f64; 3]]) -> f64 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs());
    differences.sum::<f64>() / (3 * a.len()) as f64
}

/// A CLAP host can hide an open window. The screen does not show it then, and it is up to date when the
/// host shows it again.
#[test]
fn a_hidden_window_is_up_to_date_when_it_is_shown_again() {
    if !screen::enter_subprocess("a_hidden_window_is_up_to_date_when_it_is_shown_again", &[], &[]) {
        return;
    }
    let mut session = plugin_after_playing("clap");
    let opened = open_window(session.as_mut(), 1.0);
    let before = mean_colours(&opened.screenshot(session.as_mut()), 8.0);
    session.hide_window(true).unwrap();
    let music = clip("electronic");
    for block in music.channels[0][..6 * music.sample_rate as usize].chunks(4_096) {
        session.process(&[block.to_vec(), block.to_vec()], &mut vec![vec![0.0; block.len()]; 2]).unwrap();
    }
    sleep(Duration::from_millis(300));
    let hidden = opened.window.screenshot(opened.size).unwrap();
    assert_ne!(EditorWindow::pixel(&hidden, 1, 1), BACKGROUND, "the hidden window is on the screen");
    session.hide_window(false).unwrap();
    let after = mean_colours(&opened.screenshot(session.as_mut()), 8.0);
    let difference = distance(&before, &after);
    println!("difference {difference:.2}");
    assert!(difference > 0.5, "the window shows what it showed before: the difference is {difference:.2}");
}

#[test]
fn a_scaled_screen_shows_the_same_window_larger_in_both_formats() {
    if !screen::enter_subprocess("a_scaled_screen_shows_the_same_window_larger_in_both_formats", &[], &[]) {
        return;
    }
    let mut first: Option<Vec<[f64; 3]>> = None;
    for format in FORMATS {
        let mut session = plugin_after_playing(format);
        for scale in [1.0, 1.5, 2.0, 3.0] {
            let opened = open_window(session.as_mut(), scale);
            assert_eq!(opened.size, scaled(DEFAULT_SIZE, scale), "{format} at {scale}");
            let screenshot = opened.screenshot(session.as_mut());
            save_png(&format!("{format}-scale-{scale}"), &screenshot);
            let colours = mean_colours(&screenshot, 8.0 * scale);
            let expected = first.get_or_insert_with(|| colours.clone());
            let from_first = distance(&colours, expected);
            let from_blank = distance(&colours, &vec![BACKGROUND.map(f64::from); colours.len()]);
            println!("{format} at {scale}: {from_first:.2} from the first, {from_blank:.2} from an empty window");
            assert!(from_blank > 8.0, "{format} at {scale}: the window is almost empty");
            assert!(from_first < 0.25 * from_blank, "{format} at {scale}: {from_first:.2} from the first");
            session.close_window();
        }
    }
}

#[test]
fn the_window_can_have_any_size_above_its_minimum() {
    if !screen::enter_subprocess("the_window_can_have_any_size_above_its_minimum", &[], &[]) {
        return;
    }
    for format in FORMATS {
        let mut session = plugin_after_playing(format);
        let mut opened = open_window(session.as_mut(), 1.0);
        for (requested, expected) in [
            (MIN_SIZE, MIN_SIZE),
            ((1_280, 800), (1_280, 800)),
            ((3_840, 2_160), (3_840, 2_160)),
            ((100, 100), MIN_SIZE),
            ((761, 543), (761, 543)),
        ] {
            opened.size = session.resize_window(requested).unwrap();
            assert_eq!(opened.size, expected, "{format}, requested {requested:?}");
            opened.window.resize(opened.size);
            let screenshot = opened.screenshot(session.as_mut());
            save_png(&format!("{format}-{}x{}", expected.0, expected.1), &screenshot);
        }
        session.close_window();
    }
}

#[test]
fn a_window_can_be_closed_at_any_time() {
    if !screen::enter_subprocess("a_window_can_be_closed_at_any_time", &[], &[]) {
        return;
    }
    for format in FORMATS {
        let mut session = plugin_after_playing(format);
        let state = session.save().unwrap();
        // The first window loads libraries that stay loaded.
        let opened = open_window(session.as_mut(), 1.0);
        opened.screenshot(session.as_mut());
        session.close_window();
        drop(opened);
        let before = (thread_count(), open_file_count());

        for round in 0..9_u8 {
            let opened = open_window(session.as_mut(), 1.0);
            match round % 3 {
                // During the first frame.
                0 => {}
                // While a tag is being dragged to a slot.
                1 => {
                    opened.screenshot(session.as_mut());
                    opened.window.move_mouse((60, 90)).unwrap();
                    opened.window.set_button(true).unwrap();
                    opened.window.move_mouse((70, 300)).unwrap();
                    opened.window.move_mouse((200, 588)).unwrap();
                    sleep(Duration::from_millis(100));
                }
                // While another model is loading.
                _ => {
                    let model = ["MagnaTagATune 50", "Million Song 50"][usize::from(round / 3 % 2)];
                    let other = state_with_field(&state, "model", &json!({ "shipped": model }));
                    assert!(session.load(&other), "{format}");
                }
            }
            session.close_window();
            if round % 3 == 1 {
                opened.window.set_button(false).unwrap();
            }
            // The plugin processes on without a window.
            send_noise(session.as_mut(), 0.5, 512, 4).unwrap();
        }
        assert!(session.load(&state));
        let started = Instant::now();
        while thread_count() > before.0 && started.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(50));
        }
        let after = (thread_count(), open_file_count());
        assert!(after.0 <= before.0, "{format}: threads are left: {after:?}, but {before:?} before");
        assert!(after.1 <= before.1, "{format}: open files are left: {after:?}, but {before:?} before");
        // The drag is over: a new window is drawn as before.
        let opened = open_window(session.as_mut(), 1.0);
        opened.screenshot(session.as_mut());
        session.close_window();
    }
}

#[test]
fn forty_more_windows_add_less_than_20_mb() {
    if !screen::enter_subprocess("forty_more_windows_add_less_than_20_mb", &[], &process::RETURN_FREED_MEMORY) {
        return;
    }
    for format in FORMATS {
        let mut session = plugin_after_playing(format);
        let mut memory = Vec::new();
        for round in 0..60 {
            let opened = open_window(session.as_mut(), 1.0);
            sleep(Duration::from_millis(120));
            session.close_window();
            drop(opened);
            if round % 20 == 19 {
                memory.push(process::resident_megabytes());
            }
        }
        println!("{format}: resident MB every 20 windows: {memory:.1?}");
        assert!(memory[2] < memory[0] + 20.0, "{format}: the memory grows: {memory:.1?}");
    }
}

#[test]
fn without_opengl_the_plugin_works_without_a_window() {
    let name = "without_opengl_the_plugin_works_without_a_window";
    // The display has no GLX, and EGL finds no driver.
    let (options, variables) = (["-extension", "GLX"], [("__EGL_VENDOR_LIBRARY_FILENAMES", "/dev/null")]);
    if !screen::enter_subprocess(name, &options, &variables) {
        return;
    }
    for format in FORMATS {
        let mut session = plugin_after_playing(format);
        let window = Window::open("test").unwrap();
        let opened = session.open_window(window.id(), 1.0);
        println!("{format}: {opened:?}");
        if format == "clap" {
            let error = opened.unwrap_err().to_string();
            assert!(error.contains("Tagvane.clap"), "{error}");
        }
        let changes = send_noise(session.as_mut(), 0.5, 4_096, 40).unwrap();
        assert!(!changes.is_empty(), "{format}: the plugin makes no predictions");
        session.close_window();
        assert!(session.parameters().iter().any(|parameter| parameter.name == "rock"), "{format}");
    }
}
