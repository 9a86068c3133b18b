//! The weights of one layer, as they are read from a file.

/// Values in row-major order, and their shape.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Weights {
    /// The weights with their axes in another order: axis `n` of the result is axis `order[n]` of these.
    ///
    /// # Panics
    /// Unless `order` has each axis once.
    pub(super) fn transposed(&self, order: &[usize]) -> Self {
        let shape: Vec<usize> = order.iter().map(|&axis| self.shape[axis]).collect();
        let stride = |axis: usize| self.shape[axis + 1..].iter().product::<usize>();
        let strides: Vec<usize> = order.iter().map(|&axis| stride(axis)).collect();
        let values = row_major_offsets(&shape, &strides).map(|offset| self.values[offset]).collect();
        Self { shape, values }
    }
}

/// The offset of each element of an array with strides, in row-major order.
pub(super) fn row_major_offsets(shape: &[usize], strides: &[usize]) -> impl Iterator<Item = usize> {
    let count: usize = shape.iter().product();
    (0..count).map(move |mut index| {
        let mut offset = 0;
        for (size, stride) in shape.iter().zip(strides).rev() {
            offset += index % size * stride;
            index /= size;
        }
        offset
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposed_weights_have_each_value_at_its_new_place() {
        let weights = Weights { shape: vec![2, 1, 3], values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] };
        let expected = Weights { shape: vec![3, 2, 1], values: vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0] };
        assert_eq!(weights.transposed(&[2, 0, 1]), expected);
        assert_eq!(weights.transposed(&[0, 1, 2]), weights);
    }
}
