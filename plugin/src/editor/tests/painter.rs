//! A software renderer for egui's meshes, which draws the same pixels on every machine for the reference
//! pictures.

use egui::epaint::{ImageData, Mesh, Primitive, Vertex};
use egui::{Color32, Context, FullOutput, Pos2, Rect, TextureFilter, TextureId, TexturesDelta};
use egui_kittest::TestRenderer;
use image::RgbaImage;
use std::collections::HashMap;

struct Texture {
    size: [usize; 2],
    pixels: Vec<Color32>,
    smooth: bool,
}

/// The renderer with its textures.
#[derive(Default)]
pub(super) struct Painter {
    textures: HashMap<TextureId, Texture>,
}

impl TestRenderer for Painter {
    fn handle_delta(&mut self, delta: &mut TexturesDelta) {
        for (id, change) in delta.set.iter().flat_map(|(id, changes)| changes.iter().map(move |change| (id, change))) {
            let ImageData::Color(image) = &change.image;
            let [width, height] = image.size;
            match (change.pos, self.textures.get_mut(id)) {
                (Some([left, top]), Some(texture)) => {
                    for row in 0..height {
                        let start = (top + row) * texture.size[0] + left;
                        let line = &image.pixels[row * width..(row + 1) * width];
                        texture.pixels[start..start + width].copy_from_slice(line);
                    }
                }
                _ => {
                    let smooth = change.options.magnification == TextureFilter::Linear;
                    let texture = Texture { size: image.size, pixels: image.pixels.clone(), smooth };
                    self.textures.insert(*id, texture);
                }
            }
        }
        for id in &delta.free {
            self.textures.remove(id);
        }
    }

    fn render(&mut self, context: &Context, output: &FullOutput) -> Result<RgbaImage, String> {
        let scale = output.pixels_per_point;
        let size = context.content_rect().size() * scale;
        let (width, height) = (size.x.round() as usize, size.y.round() as usize);
        let mut canvas = Canvas { width, height, pixels: vec![[0.0; 4]; width * height] };
        for clipped in context.tessellate(output.shapes.clone(), scale) {
            let Primitive::Mesh(mesh) = &clipped.primitive else { return Err("callbacks are not supported".into()) };
            let texture = self.textures.get(&mesh.texture_id).ok_or("the texture of a mesh is missing")?;
            canvas.mesh(mesh, texture, clipped.clip_rect, scale);
        }
        let bytes = canvas.pixels.iter().flatten().map(|value| value.round() as u8).collect();
        RgbaImage::from_raw(width as u32, height as u32, bytes).ok_or_else(|| "the picture has the wrong size".into())
    }
}

/// Pixels with premultiplied alpha, with values from 0 to 255.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 4]>,
}

impl Canvas {
    fn mesh(&mut self, mesh: &Mesh, texture: &Texture, clip: Rect, scale: f32) {
        let clip = Rect::from_min_max(clip.min * scale, clip.max * scale);
        let bounds = |low: f32, high: f32, size: usize| {
            (low.round().clamp(0.0, size as f32) as usize, high.round().clamp(0.0, size as f32) as usize)
        };
        let (left, right) = bounds(clip.min.x, clip.max.x, self.width);
        let (top, bottom) = bounds(clip.min.y, clip.max.y, self.height);
        for corners in mesh.indices.chunks_exact(3) {
            let corner = |index: usize| {
                let mut vertex = mesh.vertices[corners[index] as usize];
                vertex.pos *= scale;
                vertex
            };
            self.triangle([corner(0), corner(1), corner(2)], texture, (left, right), (top, bottom));
        }
    }

    fn triangle(&mut self, mut corners: [Vertex; 3], texture: &Texture, columns: (usize, usize), rows: (usize, usize)) {
        let area = edge(corners[0].pos, corners[1].pos, corners[2].pos);
        if area == 0.0 || !area.is_finite() {
            return;
        }
        if area < 0.0 {
            corners.swap(1, 2);
        }
        let area = area.abs();
        let span = |coordinate: fn(Pos2) -> f32, (first, last): (usize, usize)| {
            let values = corners.map(|corner| coordinate(corner.pos));
            let low = values.iter().copied().fold(f32::INFINITY, f32::min).floor().max(first as f32) as usize;
            let high =
                values.iter().copied().fold(f32::NEG_INFINITY, f32::max).ceil().min(last as f32).max(0.0) as usize;
            low..high
        };
        let [a, b, c] = corners;
        for y in span(|position| position.y, rows) {
            for x in span(|position| position.x, columns) {
                let pixel = Pos2::new(x as f32 + 0.5, y as f32 + 0.5);
                let edges =
                    [(b, c), (c, a), (a, b)].map(|(from, to)| (edge(from.pos, to.pos, pixel), from.pos, to.pos));
                // A pixel on an edge belongs only to the triangle to the left of the edge or below it.
                let is_inside = |(distance, from, to): (f32, Pos2, Pos2)| {
                    distance > 0.0 || distance == 0.0 && ((from.y == to.y && to.x > from.x) || to.y < from.y)
                };
                if edges.iter().all(|edge| is_inside(*edge)) {
                    let weights = edges.map(|(distance, ..)| distance / area);
                    self.blend(x, y, &[a, b, c], weights, texture);
                }
            }
        }
    }

    /// Blends a pixel of a triangle; `weights` are its barycentric coordinates.
    fn blend(&mut self, x: usize, y: usize, corners: &[Vertex; 3], weights: [f32; 3], texture: &Texture) {
        let mix = |value: &dyn Fn(&Vertex) -> f32| {
            corners.iter().zip(weights).map(|(corner, weight)| value(corner) * weight).sum::<f32>()
        };
        let texel = texture.sample(mix(&|corner| corner.uv.x), mix(&|corner| corner.uv.y));
        let source: [f32; 4] =
            std::array::from_fn(|channel| texel[channel] * mix(&|corner| f32::from(corner.color[channel])) / 255.0);
        let pixel = &mut self.pixels[y * self.width + x];
        for (below, above) in pixel.iter_mut().zip(source) {
            *below = above + *below * (1.0 - source[3] / 255.0);
        }
    }
}

impl Texture {
    fn sample(&self, u: f32, v: f32) -> [f32; 4] {
        let [width, height] = self.size;
        let texel = |x: f32, y: f32| {
            let x = (x.max(0.0) as usize).min(width - 1);
            let y = (y.max(0.0) as usize).min(height - 1);
            self.pixels[y * width + x].to_array().map(f32::from)
        };
        let (x, y) = (u * width as f32, v * height as f32);
        if !self.smooth {
            return texel(x, y);
        }
        let (x, y) = (x - 0.5, y - 0.5);
        let (left, top) = (x.floor(), y.floor());
        let (right_weight, lower_weight) = (x - left, y - top);
        let corners = [texel(left, top), texel(left + 1.0, top), texel(left, top + 1.0), texel(left + 1.0, top + 1.0)];
        std::array::from_fn(|channel| {
            let [a, b, c, d] = corners.map(|corner| corner[channel]);
            let (upper, lower) = (a + (b - a) * right_weight, c + (d - c) * right_weight);
            upper + (lower - upper) * lower_weight
        })
    }
}

/// Twice the signed area of a triangle.
fn edge(a: Pos2, b: Pos2, c: Pos2) -> f32 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}
