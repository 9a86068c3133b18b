//! The layout of the window: the header, the tags, the pages, the strip of slots and the status line.

use super::export::ExportMenu;
use super::file_dialogs::FileDialogs;
use super::library_list::{self, LibraryList};
use super::mine_page::MinePage;
use super::model_page::{self, ModelPage};
use super::outputs_page::OutputsPage;
use super::presets_menu::PresetsMenu;
use super::slots_page::{self, SlotsPage};
use super::status::{self, StatusMeters};
use super::tag_rows::TagRows;
use super::taggram::{self, Taggram};
use super::{tag_bars, theme};
use crate::instance::Instance;
use crate::params::{ModelChoice, SHIPPED_MODELS, ViewSettings};
use egui::{Button, Color32, ComboBox, Frame, Key, Margin, Rect, RichText, Ui, UiBuilder, Vec2};
use nice_plug::context::gui::ParamSetter;
use std::time::Duration;
use tagvane_engine::Status;

/// The time between frames while something moves.
const MOVING_INTERVAL: Duration = Duration::from_millis(16);

/// The time between frames while a dialog is open or a model is loaded.
const WAITING_INTERVAL: Duration = Duration::from_millis(100);

/// The time between frames after the last prediction: a frame after this time shows its age.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// The height of the header, in points.
const HEADER_HEIGHT: f32 = 30.0;

/// The height of the status line, in points.
const FOOTER_HEIGHT: f32 = 20.0;

/// The state of the window's parts.
#[derive(Default)]
pub(crate) struct EditorUi {
    pub(super) rows: TagRows,
    taggram: Taggram,
    slots_page: SlotsPage,
    pub(super) presets: PresetsMenu,
    outputs_page: OutputsPage,
    mine_page: MinePage,
    model_page: ModelPage,
    library: LibraryList,
    meters: StatusMeters,
    dialogs: FileDialogs,
    export: ExportMenu,
    page: Page,
    search: String,
    /// Whether the theme of the egui context is light; `None` before it is set.
    is_light: Option<bool>,
}

#[derive(Default, Debug, Clone, Copy, PartialEq)]
enum Page {
    /// In a wide window the tags are beside the other pages, not a page.
    Tags,
    #[default]
    Taggram,
    Slots,
    Outputs,
    Model,
    Mine,
}

impl Page {
    const ALL: [Self; 6] = [Self::Tags, Self::Taggram, Self::Slots, Self::Outputs, Self::Model, Self::Mine];

    fn name(self) -> &'static str {
        match self {
            Self::Tags => "Tags",
            Self::Taggram => "Taggram",
            Self::Slots => "Slots",
            Self::Outputs => "Outputs",
            Self::Model => "Model",
            Self::Mine => "Mine",
        }
    }
}

impl EditorUi {
    /// Forgets the textures and the theme of the egui context of a closed window.
    pub(crate) fn forget_textures(&mut self) {
        self.taggram = Taggram::default();
        self.is_light = None;
    }

    /// Draws a frame and asks for the next one.
    pub(crate) fn show(&mut self, ui: &mut Ui, instance: &Instance, setter: &ParamSetter<'_>) {
        let mut view = instance.params.view.lock().clone();
        if self.is_light.replace(view.light) != Some(view.light) {
            theme::apply(ui.ctx(), view.light);
        }
        let status = instance.engine.board().status();
        self.rows.set_tags(status.tags(), status.vocabularies(), view.folded, |tag| status.is_weak(tag));
        let (seconds, time) = ui.input(|input| (input.stable_dt, input.time));
        let mut is_moving = self.rows.step(seconds, &view, &self.search, |tag| instance.outputs.tag_value(tag));
        is_moving |= self.meters.update(instance, seconds);
        self.slots_page.record(instance, time);
        let is_listing = self.library.refresh(instance);
        self.handle_keys(ui);
        if let Some(file) = model_page::pasted_model(ui) {
            self.model_page.load(file, instance);
            self.page = Page::Model;
        }

        let palette = theme::palette(ui);
        ui.painter().rect_filled(ui.ctx().content_rect(), egui::CornerRadius::ZERO, palette.background);
        let whole = ui.max_rect().shrink(theme::WINDOW_MARGIN);
        let is_wide = whole.width() >= theme::WIDE_WIDTH;
        let (header, rest) = whole.split_top_bottom_at_y(whole.top() + HEADER_HEIGHT);
        let (rest, footer) = rest.split_top_bottom_at_y(rest.bottom() - FOOTER_HEIGHT);
        let (body, strip) = rest.split_top_bottom_at_y(rest.bottom() - slots_page::STRIP_HEIGHT - 6.0);
        let body = Rect::from_min_max(body.min + Vec2::new(0.0, 6.0), body.max - Vec2::new(0.0, 8.0));

        within(ui, "header", header, |ui| self.header(ui, instance, &mut view, is_wide));
        let page = if is_wide && self.page == Page::Tags { Page::Taggram } else { self.page };
        let pages = if is_wide {
            let width = (body.width() * 0.38).clamp(280.0, 460.0);
            let (left, right) = body.split_left_right_at_x(body.left() + width);
            within(ui, "tags", left, |ui| self.tags(ui, instance, &mut view, &status));
            Rect::from_min_max(right.min + Vec2::new(16.0, 0.0), right.max)
        } else {
            body
        };
        within(ui, "page", pages, |ui| self.page(ui, instance, setter, &mut view, &status, page));
        within(ui, "strip", strip, |ui| {
            if let Some(slot) = slots_page::strip(ui, instance) {
                self.slots_page.select(slot);
                self.page = Page::Slots;
            }
        });
        within(ui, "footer", footer, |ui| status::show(ui, instance, &self.meters, &status));

        *instance.params.view.lock() = view;
        let is_waiting = self.dialogs.is_open() || instance.engine.is_loading() || is_listing;
        ui.ctx().request_repaint_after(if is_moving {
            MOVING_INTERVAL
        } else if is_waiting {
            WAITING_INTERVAL
        } else if instance.engine.board().age().is_some_and(|age| age < IDLE_INTERVAL) {
            IDLE_INTERVAL
        } else {
            Duration::MAX
        });
    }

    /// Draws the name, the pages, the model, the theme and Write.
    fn header(&mut self, ui: &mut Ui, instance: &Instance, view: &mut ViewSettings, is_wide: bool) {
        ui.horizontal_centered(|ui| {
            if ui.available_width() > 560.0 {
                let title = ui.label(RichText::new("Tagvane").size(20.0).strong());
                title.on_hover_text(concat!("Version ", env!("CARGO_PKG_VERSION"), "; more on the page Model"));
                ui.add_space(10.0);
            }
            // With the smaller size all pages and Write fit into the smallest window.
            let size = if ui.available_width() > 500.0 { 14.0 } else { 12.0 };
            for page in Page::ALL {
                if is_wide && page == Page::Tags {
                    continue;
                }
                let is_current = self.page == page || is_wide && self.page == Page::Tags && page == Page::Taggram;
                if ui.selectable_label(is_current, RichText::new(page.name()).size(size)).clicked() {
                    self.page = page;
                }
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                write_button(ui, instance);
                let theme = if view.light { "Dark" } else { "Light" };
                if ui.button(theme).on_hover_text("Switches the theme").clicked() {
                    view.light = !view.light;
                }
                if ui.available_width() > 150.0 {
                    model_list(ui, instance, &self.library);
                }
            });
        });
    }

    /// Draws the tags, or why there are none.
    fn tags(&mut self, ui: &mut Ui, instance: &Instance, view: &mut ViewSettings, status: &Status) {
        match status {
            Status::Failed(why) => message(ui, "No model is loaded", why, theme::palette(ui).warning),
            Status::Loading { .. } => message(ui, "Loading the model…", "", theme::palette(ui).faint),
            Status::Ready { vocabularies, .. } => {
                tag_bars::toolbar(ui, vocabularies, view, &mut self.search);
                ui.add_space(4.0);
                tag_bars::show(ui, instance, &self.rows, view, &self.search);
            }
        }
    }

    /// Draws a page.
    fn page(
        &mut self,
        ui: &mut Ui,
        instance: &Instance,
        setter: &ParamSetter<'_>,
        view: &mut ViewSettings,
        status: &Status,
        page: Page,
    ) {
        match page {
            Page::Tags => self.tags(ui, instance, view, status),
            Page::Slots => {
                self.presets.button(ui, instance, setter);
                ui.add_space(4.0);
                self.slots_page.show(ui, instance, setter, status.tags());
            }
            Page::Outputs => self.outputs_page.show(ui, instance, setter, status.tags()),
            Page::Model => self.model_page.show(ui, instance, &mut self.dialogs, &self.library, status),
            Page::Mine => self.mine_page.show(ui, instance, &mut self.dialogs),
            Page::Taggram => {
                ui.horizontal(|ui| {
                    self.taggram.toolbar(ui, instance, view);
                    let Self { export, dialogs, rows, .. } = self;
                    let menu = egui::containers::menu::MenuConfig::new()
                        .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside);
                    egui::containers::menu::MenuButton::new("Export…")
                        .config(menu)
                        .ui(ui, |ui| export.show(ui, instance, dialogs, &rows.in_fixed_order(), view));
                });
                ui.add_space(4.0);
                self.taggram.marking_line(ui, instance);
                let has_entries = instance.outputs.timeline().entries().len() > 0;
                if has_entries {
                    self.taggram.show(ui, instance, &self.rows, view);
                } else {
                    taggram::show_empty(ui);
                }
            }
        }
    }

    /// Switches pages by Ctrl and a number, wherever the focus is.
    fn handle_keys(&mut self, ui: &Ui) {
        let pages = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6];
        ui.input_mut(|input| {
            for (key, page) in pages.into_iter().zip(Page::ALL) {
                if input.consume_key(egui::Modifiers::COMMAND, key) {
                    self.page = page;
                }
            }
        });
    }
}

/// Draws a part of the window in its rectangle.
fn within(ui: &mut Ui, name: &str, rect: Rect, draw: impl FnOnce(&mut Ui)) {
    let rect = Rect::from_min_max(rect.min, rect.max.max(rect.min));
    ui.scope_builder(UiBuilder::new().id_salt(name).max_rect(rect), |ui| {
        ui.set_clip_rect(rect.expand(2.0).intersect(ui.clip_rect()));
        draw(ui);
    });
}

/// Draws Write, which is red while it is armed.
fn write_button(ui: &mut Ui, instance: &Instance) {
    let palette = theme::palette(ui);
    let armed = instance.outputs.is_armed();
    let text = RichText::new(if armed { "Write armed" } else { "Write" }).size(15.0).strong();
    let text = text.color(if armed { Color32::WHITE } else { palette.armed });
    let button = Button::new(text)
        .fill(if armed { palette.armed } else { palette.track })
        .stroke((1.5, palette.armed))
        .min_size(Vec2::new(96.0, 26.0));
    let hint = if armed {
        "Armed: while the transport plays, the slots move their parameters, and a host in touch, latch or write mode records them"
    } else {
        "Lets the host record the slots as automation. While it is off, they keep their values or follow recorded automation"
    };
    if ui.add(button).on_hover_text(hint).clicked() {
        instance.outputs.set_armed(!armed);
    }
}

/// Draws the list of the shipped models and those of the library.
fn model_list(ui: &mut Ui, instance: &Instance, library: &LibraryList) {
    let info = instance.engine.board().model_info();
    let status = instance.engine.board().status();
    let current = match &status {
        Status::Ready { name, .. } => name.as_str(),
        Status::Loading { .. } => "Loading…",
        Status::Failed(_) => "No model",
    };
    let text = |name: &str| RichText::new(name).size(13.0);
    // Truncated, because the name of a file can have any length.
    let list = ComboBox::from_id_salt("model").selected_text(text(current)).width(140.0).truncate().show_ui(ui, |ui| {
        for model in &SHIPPED_MODELS {
            let is_current = info.source.as_ref() == Some(&model.source());
            if ui.selectable_label(is_current, text(model.name)).clicked() && !is_current {
                instance.choose_model(ModelChoice::Shipped { shipped: model.name.into() });
            }
        }
        for (entry, name) in library.usable() {
            let is_current = library_list::is_current(entry, &info);
            if ui.selectable_label(is_current, text(&name)).clicked() && !is_current {
                library_list::choose(instance, entry);
            }
        }
    });
    list.response.on_hover_text("The current model");
}

/// Draws a message in place of the tags.
fn message(ui: &mut Ui, title: &str, text: &str, color: Color32) {
    Frame::new().inner_margin(Margin::same(8)).show(ui, |ui| {
        ui.label(RichText::new(title).size(16.0).color(color));
        ui.add_space(4.0);
        ui.label(RichText::new(text).size(13.0));
    });
}
