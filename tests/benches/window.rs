//! What the open window costs while music plays: the whole process's share of a core with the
//! window, hidden by the host, and without it, in turns, as a line of JSON. `cargo xtask bench window` calls it. The
//! screen has no graphics card, so the pictures are made by the processor as well.

#[cfg(target_os = "linux")]
fn main() {
    use cpu_time::ProcessTime;
    use std::time::{Duration, Instant};
    use tagvane_host::window::Window;
    use tagvane_host::{Session, Setup};
    use tagvane_tests::{bundle, clip, screen};

    const SIZE: (u32, u32) = (1_280, 800);
    const SECONDS: f64 = 8.0;
    const BLOCK: usize = 512;

    if !screen::goes_on("window", &[], &[]) {
        return;
    }
    let music = clip("rock");
    let mut session = tagvane_host::open(&bundle("clap")).expect("the bundle loads");
    let rate = f64::from(music.sample_rate);
    session.start(Setup { sample_rate: rate, longest_block: BLOCK, channels: 2, offline: false }).expect("it starts");
    // The share of a core, of some seconds of music in real time.
    let mut place = 0;
    let mut play = |session: &mut dyn Session| {
        let (cpu, started) = (ProcessTime::now(), Instant::now());
        let mut played = 0;
        while (played as f64) < SECONDS * rate {
            if place + BLOCK > music.frames() {
                place = 0;
            }
            let side = |channel: usize| {
                let channel = music.channels.get(channel).unwrap_or(&music.channels[0]);
                channel[place..place + BLOCK].to_vec()
            };
            session.process(&[side(0), side(1)], &mut vec![vec![0.0; BLOCK]; 2]).expect("it plays");
            session.idle();
            (place, played) = (place + BLOCK, played + BLOCK);
            std::thread::sleep(Duration::from_secs_f64(played as f64 / rate).saturating_sub(started.elapsed()));
        }
        cpu.elapsed().as_secs_f64() / started.elapsed().as_secs_f64()
    };
    let (mut with, mut hidden, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        without.push(play(session.as_mut()));
        let window = Window::open("bench").expect("a window");
        session.open_window(window.id(), 1.0).expect("the plugin's window");
        window.resize(session.resize_window(SIZE).expect("it takes the size"));
        with.push(play(session.as_mut()));
        session.hide_window(true).expect("it is hidden");
        hidden.push(play(session.as_mut()));
        session.close_window();
    }
    let median = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    println!("{}", serde_json::json!({ "with": median(with), "hidden": median(hidden), "without": median(without) }));
}

#[cfg(not(target_os = "linux"))]
fn main() {
    panic!("the window is measured on Linux only");
}
