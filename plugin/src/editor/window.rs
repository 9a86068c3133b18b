//! All of the window: the tags, beside them or behind them the other pages, the slots in a line,
//! and how the listening is doing.

use super::export::Export;
use super::files::Files;
use super::models::{self, Models};
use super::rows::Rows;
use super::status::{self, Meters};
use super::taggram::{self, Taggram};
use super::trace::Traces;
use super::{outputs, slots, tags, theme};
use crate::params::View;
use crate::parts::Parts;
use egui::{Button, Color32, ComboBox, Frame, Key, Margin, Rect, RichText, Ui, UiBuilder, Vec2};
use nice_plug::context::gui::ParamSetter;
use std::time::Duration;
use tagvane_engine::Status;
use tagvane_outputs::OscSettings;

/// From frame to frame while something moves.
const MOVING: Duration = Duration::from_millis(16);

/// From frame to frame while nothing does but what a person waits for: a dialogue, a model.
const WAITING: Duration = Duration::from_millis(100);

/// When to look again after the last news: by then what was heard is old.
const STALE: Duration = Duration::from_secs(1);

/// How high the header, the footer and the line of tools are.
const HEADER: f32 = 30.0;
const FOOTER: f32 = 20.0;

/// What is on screen.
#[derive(Default)]
pub(crate) struct Window {
    pub(super) rows: Rows,
    taggram: Taggram,
    traces: Traces,
    meters: Meters,
    models: Models,
    files: Files,
    export: Export,
    page: Page,
    search: String,
    /// The slot whose controls are shown.
    slot: usize,
    /// What is being typed of the OSC settings.
    draft: Option<OscSettings>,
    activity: outputs::Activity,
    /// The theme that the context has.
    light: Option<bool>,
}

#[derive(Default, Debug, Clone, Copy, PartialEq)]
enum Page {
    /// Beside the others where there is room.
    Tags,
    #[default]
    Taggram,
    Slots,
    Outputs,
    Model,
}

impl Page {
    const ALL: [Self; 5] = [Self::Tags, Self::Taggram, Self::Slots, Self::Outputs, Self::Model];

    fn name(self) -> &'static str {
        match self {
            Self::Tags => "Tags",
            Self::Taggram => "Taggram",
            Self::Slots => "Slots",
            Self::Outputs => "Outputs",
            Self::Model => "Model",
        }
    }
}

impl Window {
    /// Textures belong to a context that goes or has gone.
    pub(crate) fn forget_pictures(&mut self) {
        self.taggram = Taggram::default();
        self.light = None;
    }

    /// Draws a frame and asks for the next one, if anything moves.
    pub(crate) fn show(&mut self, ui: &mut Ui, parts: &Parts, setter: &ParamSetter<'_>) {
        let mut view = parts.controls.view.lock().clone();
        if self.light.replace(view.light) != Some(view.light) {
            theme::apply(ui.ctx(), view.light);
        }
        let status = parts.engine.board().status();
        self.rows.set_tags(status.tags(), view.folded, |tag| status.is_weak(tag));
        let (seconds, time) = ui.input(|input| (input.stable_dt, input.time));
        let mut moves = self.rows.step(seconds, &view, &self.search, |tag| parts.outputs.tag(tag));
        moves |= self.meters.look(parts, seconds);
        self.traces.note(parts, time);
        self.keys(ui);
        if let Some(file) = models::pasted(ui) {
            self.models.load(file, parts);
            self.page = Page::Model;
        }

        let palette = theme::palette(ui);
        ui.painter().rect_filled(ui.ctx().content_rect(), egui::CornerRadius::ZERO, palette.background);
        let whole = ui.max_rect().shrink(theme::MARGIN);
        let wide = whole.width() >= theme::WIDE;
        let (header, rest) = whole.split_top_bottom_at_y(whole.top() + HEADER);
        let (rest, footer) = rest.split_top_bottom_at_y(rest.bottom() - FOOTER);
        let (body, strip) = rest.split_top_bottom_at_y(rest.bottom() - slots::STRIP - 6.0);
        let body = Rect::from_min_max(body.min + Vec2::new(0.0, 6.0), body.max - Vec2::new(0.0, 8.0));

        within(ui, "header", header, |ui| self.header(ui, parts, &mut view, wide));
        let page = if wide && self.page == Page::Tags { Page::Taggram } else { self.page };
        let pages = if wide {
            let width = (body.width() * 0.38).clamp(280.0, 460.0);
            let (left, right) = body.split_left_right_at_x(body.left() + width);
            within(ui, "tags", left, |ui| self.tags(ui, parts, &mut view, &status));
            Rect::from_min_max(right.min + Vec2::new(16.0, 0.0), right.max)
        } else {
            body
        };
        within(ui, "page", pages, |ui| self.page(ui, parts, setter, &mut view, &status, page));
        within(ui, "strip", strip, |ui| {
            if let Some(slot) = slots::strip(ui, parts) {
                (self.slot, self.page) = (slot, Page::Slots);
            }
        });
        within(ui, "footer", footer, |ui| status::show(ui, parts, &self.meters, &status));

        *parts.controls.view.lock() = view;
        let waits = self.files.is_asking() || parts.engine.is_loading();
        ui.ctx().request_repaint_after(if moves {
            MOVING
        } else if waits {
            WAITING
        } else if parts.engine.board().age().is_some_and(|age| age < STALE) {
            STALE
        } else {
            Duration::MAX
        });
    }

    /// The name, the pages, the model and Write.
    fn header(&mut self, ui: &mut Ui, parts: &Parts, view: &mut View, wide: bool) {
        ui.horizontal_centered(|ui| {
            if ui.available_width() > 560.0 {
                ui.label(RichText::new("Tagvane").size(20.0).strong());
                ui.add_space(10.0);
            }
            // In the smallest window all of them fit beside Write.
            let size = if ui.available_width() > 500.0 { 14.0 } else { 12.0 };
            for page in Page::ALL {
                if wide && page == Page::Tags {
                    continue;
                }
                let shown = self.page == page || wide && self.page == Page::Tags && page == Page::Taggram;
                if ui.selectable_label(shown, RichText::new(page.name()).size(size)).clicked() {
                    self.page = page;
                }
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                write(ui, parts);
                let theme = if view.light { "Dark" } else { "Light" };
                if ui.button(theme).on_hover_text("The other colours").clicked() {
                    view.light = !view.light;
                }
                if ui.available_width() > 150.0 {
                    choose_model(ui, parts);
                }
            });
        });
    }

    fn tags(&mut self, ui: &mut Ui, parts: &Parts, view: &mut View, status: &Status) {
        match status {
            Status::Failed(why) => message(ui, "No model is listening", why, theme::palette(ui).warning),
            Status::Loading { .. } => message(ui, "Loading the model…", "", theme::palette(ui).faint),
            Status::Ready { .. } => {
                tags::tools(ui, view, &mut self.search);
                ui.add_space(4.0);
                tags::show(ui, parts, &self.rows, view);
            }
        }
    }

    fn page(
        &mut self,
        ui: &mut Ui,
        parts: &Parts,
        setter: &ParamSetter<'_>,
        view: &mut View,
        status: &Status,
        page: Page,
    ) {
        match page {
            Page::Tags => self.tags(ui, parts, view, status),
            Page::Slots => slots::show(ui, parts, setter, status.tags(), &mut self.slot, &self.traces),
            Page::Outputs => {
                outputs::show(ui, parts, setter, status.tags(), &mut self.draft, &mut self.activity);
            }
            Page::Model => self.models.show(ui, parts, &mut self.files, status),
            Page::Taggram => {
                ui.horizontal(|ui| {
                    self.taggram.tools(ui, parts, view);
                    let Self { export, files, rows, .. } = self;
                    let popup = egui::containers::menu::MenuConfig::new()
                        .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside);
                    egui::containers::menu::MenuButton::new("Export…")
                        .config(popup)
                        .ui(ui, |ui| export.show(ui, parts, files, &rows.resting(), view));
                });
                ui.add_space(4.0);
                let anything = parts.outputs.timeline().rows().len() > 0;
                if anything {
                    self.taggram.show(ui, parts, &self.rows, view);
                } else {
                    taggram::empty(ui);
                }
            }
        }
    }

    /// Keys that do something wherever the focus is: the pages by number with Ctrl, the search.
    fn keys(&mut self, ui: &Ui) {
        let pages = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5];
        ui.input_mut(|input| {
            for (key, page) in pages.into_iter().zip(Page::ALL) {
                if input.consume_key(egui::Modifiers::COMMAND, key) {
                    self.page = page;
                }
            }
        });
    }
}

/// A part of the window in its place.
fn within(ui: &mut Ui, name: &str, place: Rect, add: impl FnOnce(&mut Ui)) {
    let place = Rect::from_min_max(place.min, place.max.max(place.min));
    ui.scope_builder(UiBuilder::new().id_salt(name).max_rect(place), |ui| {
        ui.set_clip_rect(place.expand(2.0).intersect(ui.clip_rect()));
        add(ui);
    });
}

/// Write: big, red when it is armed, and honest about what it does.
fn write(ui: &mut Ui, parts: &Parts) {
    let palette = theme::palette(ui);
    let armed = parts.outputs.armed();
    let text = RichText::new(if armed { "Write armed" } else { "Write" }).size(15.0).strong();
    let text = text.color(if armed { Color32::WHITE } else { palette.armed });
    let button = Button::new(text)
        .fill(if armed { palette.armed } else { palette.track })
        .stroke((1.5, palette.armed))
        .min_size(Vec2::new(96.0, 26.0));
    let meaning = if armed {
        "Armed: while the transport plays, the slots move their parameters, and a host in touch, latch or write mode records them"
    } else {
        "Lets the host record the slots as automation. Off, they stand still or follow their lanes"
    };
    if ui.add(button).on_hover_text(meaning).clicked() {
        parts.outputs.arm(!armed);
    }
}

/// The models that ship, one click away.
fn choose_model(ui: &mut Ui, parts: &Parts) {
    use crate::params::{Choice, SHIPPED};
    let source = parts.engine.board().about().source;
    let status = parts.engine.board().status();
    let current = match &status {
        Status::Ready { name, .. } => name.as_str(),
        Status::Loading { .. } => "Loading…",
        Status::Failed(_) => "No model",
    };
    let text = |name: &str| RichText::new(name).size(13.0);
    // The name of a file may be any length.
    let choice =
        ComboBox::from_id_salt("model").selected_text(text(current)).width(140.0).truncate().show_ui(ui, |ui| {
            for model in &SHIPPED {
                let listens = source.as_ref() == Some(&model.source());
                if ui.selectable_label(listens, text(model.name)).clicked() && !listens {
                    parts.choose_model(Choice::Shipped { shipped: model.name.into() });
                }
            }
        });
    choice.response.on_hover_text("The model that listens");
}

fn message(ui: &mut Ui, title: &str, text: &str, color: Color32) {
    Frame::new().inner_margin(Margin::same(8)).show(ui, |ui| {
        ui.label(RichText::new(title).size(16.0).color(color));
        ui.add_space(4.0);
        ui.label(RichText::new(text).size(13.0));
    });
}
