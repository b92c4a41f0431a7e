//! `define_isa!`: the features of an instruction set, stated once.

/// Defines the token of an instruction set, its detection and its gateways from one list of features.
///
/// ```text
/// define_isa! {
///     /// Token: the features that it proves.
///     Token = "name", detection macro [features …];
///     tuning = a `Tuning`;
///     floats = vector type, tile rows x vectors;           implements `Simd` for `Token`
///     dots = tile rows x vectors;                          optional: `Token::enter_dots` for `Dot`
///     /// Token: the features that it proves.
///     extended Token with [further features …], tile rows x vectors;    any number: its `enter_dots`
/// }
/// ```
///
/// Outside of its module a token comes from `detect` only, so its existence proves every feature of the list.
/// The gateways enable the same list with `#[target_feature]`, so whatever is inlined below them may use any
/// of these features. A tile is that of the register-blocked kernels: `rows × vectors` accumulators, beside
/// them one row of `B` and one element of `A`.
macro_rules! define_isa {
    (
        $(#[$doc:meta])*
        $Token:ident = $name:literal, $detected:ident $features:tt;
        tuning = $tuning:expr;
        floats = $F32:ty, tile $MR:literal x $NV:literal;
        $(dots = tile $DOT_MR:literal x $DOT_NV:literal;)?
        $(
            $(#[$extended_doc:meta])*
            extended $Extended:ident with $further:tt, tile $EXTENDED_MR:literal x $EXTENDED_NV:literal;
        )*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $Token(());

        impl $Token {
            /// Its name in `SAM2_ISA`, in benchmarks and in tests.
            pub const NAME: &'static str = $name;
            /// The features that [`Self::detect`] requires and the gateways enable.
            pub const FEATURES: &'static [&'static str] = &$features;
            pub(crate) const TUNING: $crate::simd::Tuning = $tuning;

            /// The token, if the host has every feature.
            pub fn detect() -> Option<Self> {
                has_all!($detected $features).then_some(Self(()))
            }

            /// The features that the gateways enable. Each is named by a function that requires it, so this
            /// would not compile if a gateway lacked one.
            pub fn enabled(self) -> Vec<&'static str> {
                enter!($features [], self => $Token, enabled)
            }
        }

        impl $crate::simd::Simd for $Token {
            type F32 = $F32;

            #[inline]
            fn run<O: $crate::simd::SimdOp>(self, op: O) -> O::Output {
                enter!($features [], self => $Token, op: $crate::simd::SimdOp, [])
            }

            #[inline]
            fn run_tiled<O: $crate::simd::TileOp>(self, op: O) -> O::Output {
                enter!($features [], self => $Token, op: $crate::simd::TileOp, [$Token, $MR, $NV])
            }
        }

        $(
            impl $Token {
                #[inline]
                pub(super) fn enter_dots<O: $crate::simd::DotOp>(self, op: O) -> O::Output {
                    enter!($features [], self => $Token, op: $crate::simd::DotOp, [$Token, $DOT_MR, $DOT_NV])
                }
            }
        )?

        $(
            $(#[$extended_doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $Extended($Token);

            impl $Extended {
                /// All features that the token proves.
                pub const FEATURES: &'static [&'static str] = all!($features $further);

                /// The token, if the host has the further features.
                #[inline]
                pub fn detect(floats: $Token) -> Option<Self> {
                    has_all!($detected $further).then_some(Self(floats))
                }

                /// The features that the gateways enable.
                pub fn enabled(self) -> Vec<&'static str> {
                    enter!($features $further, self => $Extended, enabled)
                }

                #[inline]
                pub(super) fn enter_dots<O: $crate::simd::DotOp>(self, op: O) -> O::Output {
                    enter!(
                        $features $further,
                        self => $Extended,
                        op: $crate::simd::DotOp,
                        [$Extended, $EXTENDED_MR, $EXTENDED_NV]
                    )
                }
            }
        )*
    };
}

/// Two lists as one.
macro_rules! all {
    ([$($feature:tt),+ $(,)?] [$($further:tt),* $(,)?]) => {
        &[$($feature),+ $(, $further)*]
    };
}

/// Whether the host has every feature of a list.
macro_rules! has_all {
    ($detected:ident [$($feature:tt),+ $(,)?]) => {
        true $(&& std::arch::$detected!($feature))+
    };
}

/// Calls `op.eval` with the features of two lists enabled.
macro_rules! enter {
    (
        [$($feature:tt),+ $(,)?] [$($further:tt),*],
        $token:expr => $Token:ident,
        $op:ident: $Op:path,
        [$($generic:tt)*]
    ) => {{
        $(#[target_feature(enable = $feature)])+
        $(#[target_feature(enable = $further)])*
        fn gateway<O: $Op>(token: $Token, op: O) -> O::Output {
            op.eval::<$($generic)*>(token)
        }
        // SAFETY: a token exists only after `detect` found every feature that `gateway` enables: both are
        // made from one list.
        unsafe { gateway($token, $op) }
    }};
    ([$($feature:tt),+ $(,)?] [$($further:tt),*], $token:expr => $Token:ident, enabled) => {
        enter!(@enabled [$($feature),+ $(, $further)*], $token => $Token, [$($feature),+ $(, $further)*])
    };
    (@enabled [$($feature:tt),+], $token:expr => $Token:ident, [$($named:tt),+]) => {{
        $(#[target_feature(enable = $feature)])+
        fn gateway(_: $Token) -> Vec<&'static str> {
            vec![$({
                #[target_feature(enable = $named)]
                fn required() -> &'static str {
                    $named
                }
                required()
            }),+]
        }
        // SAFETY: as above.
        unsafe { gateway($token) }
    }};
}

pub(super) use {all, define_isa, enter, has_all};
