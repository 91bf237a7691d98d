//! Colours by what they mean. A chart is drawn once; the style sheet gives each colour its value
//! for light and dark.

use plotters::style::RGBColor;

use super::super::record::{ContestantInfo, Kind};

// Blue and orange can be told apart with every kind of colour blindness; so can the four lines of
// ours (after Okabe and Ito).
pub(super) const TEXT: RGBColor = RGBColor(0x1c, 0x23, 0x2b);
pub(super) const MUTED: RGBColor = RGBColor(0x5f, 0x6b, 0x7a);
pub(super) const GRID: RGBColor = RGBColor(0xe1, 0xe5, 0xea);
pub(super) const AXIS: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);
pub(super) const OURS: RGBColor = RGBColor(0x00, 0x72, 0xb2);
pub(super) const VARIANT: RGBColor = RGBColor(0x7f, 0xbc, 0xe0);
pub(super) const LIBRARY: RGBColor = RGBColor(0x8a, 0x94, 0xa0);
pub(super) const HAND_WRITTEN: RGBColor = RGBColor(0xb9, 0xc1, 0xca);
pub(super) const FLOOR: RGBColor = RGBColor(0xd8, 0xcf, 0xb4);
pub(super) const WIN: RGBColor = RGBColor(0x00, 0x73, 0xb3);
pub(super) const LOSS: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
pub(super) const LEVEL: RGBColor = RGBColor(0x8b, 0x95, 0xa1);

/// Lines of ours, in the order of the record.
const LINES_OF_OURS: [RGBColor; 4] = [
    RGBColor(0x00, 0x71, 0xb1),
    RGBColor(0xd9, 0x95, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xb8, 0x5c, 0x9e),
];
/// Lines of others, the best first.
const LINES_OF_OTHERS: [RGBColor; 4] = [
    RGBColor(0x3d, 0x46, 0x50),
    RGBColor(0x6b, 0x75, 0x80),
    RGBColor(0x93, 0x9c, 0xa6),
    RGBColor(0xb2, 0xba, 0xc2),
];

/// The bar of a contestant.
pub(super) fn of(contestant: &ContestantInfo) -> RGBColor {
    match contestant.kind {
        Kind::Ours => OURS,
        Kind::Variant => VARIANT,
        Kind::Library => LIBRARY,
        Kind::HandWritten => HAND_WRITTEN,
        Kind::Floor => FLOOR,
    }
}

/// Our line number `index`.
pub(super) fn line_of_ours(index: usize) -> RGBColor {
    LINES_OF_OURS[index % LINES_OF_OURS.len()]
}

/// The others' line number `index`.
pub(super) fn line_of_others(index: usize) -> RGBColor {
    LINES_OF_OTHERS[index % LINES_OF_OTHERS.len()]
}
