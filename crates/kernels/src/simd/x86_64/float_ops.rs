//! The float operations that are one intrinsic each.

/// The operations of `impl F32s` that are one intrinsic each, from the intrinsics' names.
///
/// The vector is a tuple struct of the register; a value of it, like a token, exists only on a host with the
/// instruction set.
macro_rules! float_ops {
    (
        $Token:ty, $lanes:literal lanes:
        splat $splat:ident, load $load:ident, store $store:ident,
        load_half $load_half:ident from $load_bits:ident,
        add $add:ident, sub $sub:ident, mul $mul:ident, div $div:ident, mul_add $mul_add:ident,
        max $max:ident, min $min:ident, round $round:ident,
    ) => {
        type Token = $Token;
        const LANES: usize = $lanes;

        #[inline(always)]
        fn splat(_: $Token, x: f32) -> Self {
            // SAFETY: the token proves the feature.
            Self(unsafe { $splat(x) })
        }
        #[inline(always)]
        fn load(_: $Token, x: &[f32]) -> Self {
            assert!(x.len() >= $lanes);
            // SAFETY: the token proves the feature; `x` has `LANES` floats, asserted above.
            Self(unsafe { $load(x.as_ptr()) })
        }
        #[inline(always)]
        fn store(self, out: &mut [f32]) {
            assert!(out.len() >= $lanes);
            // SAFETY: the value proves the feature; `out` has room for `LANES` floats, asserted above.
            unsafe { $store(out.as_mut_ptr(), self.0) }
        }
        #[inline(always)]
        unsafe fn load_ptr(_: $Token, x: *const f32) -> Self {
            // SAFETY: the token proves the feature; the caller promises `LANES` readable floats.
            Self(unsafe { $load(x) })
        }
        #[inline(always)]
        fn load_half(_: $Token, x: &[f16]) -> Self {
            assert!(x.len() >= $lanes);
            // SAFETY: the token proves the feature; `x` has `LANES` numbers, asserted above.
            Self(unsafe { $load_half($load_bits(x.as_ptr().cast())) })
        }
        #[inline(always)]
        fn prefetch(_: $Token, x: *const f32) {
            // SAFETY: the token proves the feature; a prefetch reads no value, so any address is valid.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(x.cast()) }
        }
        #[inline(always)]
        fn add(self, o: Self) -> Self {
            // SAFETY: the value proves the feature.
            Self(unsafe { $add(self.0, o.0) })
        }
        #[inline(always)]
        fn sub(self, o: Self) -> Self {
            // SAFETY: the value proves the feature.
            Self(unsafe { $sub(self.0, o.0) })
        }
        #[inline(always)]
        fn mul(self, o: Self) -> Self {
            // SAFETY: the value proves the feature.
            Self(unsafe { $mul(self.0, o.0) })
        }
        #[inline(always)]
        fn div(self, o: Self) -> Self {
            // SAFETY: the value proves the feature.
            Self(unsafe { $div(self.0, o.0) })
        }
        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            // SAFETY: the value proves the feature.
            Self(unsafe { $mul_add(self.0, a.0, b.0) })
        }
        #[inline(always)]
        fn max(self, o: Self) -> Self {
            // SAFETY: the value proves the feature.
            Self(unsafe { $max(self.0, o.0) })
        }
        #[inline(always)]
        fn min(self, o: Self) -> Self {
            // SAFETY: the value proves the feature.
            Self(unsafe { $min(self.0, o.0) })
        }
        #[inline(always)]
        fn round(self) -> Self {
            // SAFETY: the value proves the feature.
            Self(unsafe { $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
        }
    };
}

pub(super) use float_ops;
