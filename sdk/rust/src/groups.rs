//! State per group.

/// One `T` per group, in a dense vector: the host numbers groups from 0 without holes, so this is the fastest map there is.
#[derive(Clone, Debug)]
pub struct Groups<T>(Vec<T>);

impl<T> Default for Groups<T> {
    fn default() -> Self {
        Groups(Vec::new())
    }
}

impl<T: Default> Groups<T> {
    /// The state of `group`; a new group starts with `T::default()`.
    pub fn of(&mut self, group: u32) -> &mut T {
        let index = group as usize;
        if index >= self.0.len() {
            self.0.resize_with(index + 1, T::default);
        }
        &mut self.0[index]
    }
}

impl<T> Groups<T> {
    /// The state of `group`, if it has been seen.
    pub fn get(&self, group: u32) -> Option<&T> {
        self.0.get(group as usize)
    }

    /// Every group with its state, in order of their numbers.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        (0..).zip(&mut self.0)
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// No group has been seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
