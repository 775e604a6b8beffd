//! Which channel of a sound track belongs to which speaker (E-RTMP v2 "Enhanced Audio", `MultichannelConfig`).

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::{Reader, Truncated};

/// The speakers of an audio track, where its codec does not say or the publisher says it again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelLayout {
    /// So many channels in no order that is known.
    Unspecified {
        /// The number of channels.
        channels: u8,
    },
    /// The channels in the order of their bits.
    Native {
        /// The number of channels.
        channels: u8,
        /// A bit for each speaker that has a channel (`AudioChannelMask`): 1 front left, 2 front right, 4 front centre,
        /// 8 low frequency, ...
        flags: u32,
    },
    /// For each channel, in the order of the bit stream, its speaker (`AudioChannel`): 0 front left, 1 front right, ...
    /// 0xFE unused, 0xFF unknown. At most 255 are written.
    Custom(Bytes),
}

impl ChannelLayout {
    /// Parses the body of a `MultichannelConfig` packet; `None` where its order is one that is not defined. What follows
    /// the layout is passed over.
    ///
    /// # Errors
    /// [`Truncated`] where the body ends early.
    pub fn parse(body: &[u8]) -> Result<Option<Self>, Truncated> {
        let mut reader = Reader::new(body);
        let (order, channels) = (reader.u8()?, reader.u8()?);
        Ok(match order {
            UNSPECIFIED => Some(Self::Unspecified { channels }),
            NATIVE => {
                let flags = reader.u32()?;
                Some(Self::Native { channels, flags })
            }
            CUSTOM => {
                let speakers = reader.take(usize::from(channels))?;
                Some(Self::Custom(Bytes::copy_from_slice(speakers)))
            }
            _ => None,
        })
    }

    /// Appends the body of a `MultichannelConfig` packet.
    pub fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Unspecified { channels } => out.put_slice(&[UNSPECIFIED, *channels]),
            Self::Native { channels, flags } => {
                out.put_slice(&[NATIVE, *channels]);
                out.put_u32(*flags);
            }
            Self::Custom(_) => {
                out.put_slice(&[CUSTOM, self.channels()]);
                out.put_slice(self.speakers());
            }
        }
    }

    /// The number of channels.
    pub fn channels(&self) -> u8 {
        match self {
            Self::Unspecified { channels } | Self::Native { channels, .. } => *channels,
            Self::Custom(_) => u8::try_from(self.speakers().len()).unwrap_or(u8::MAX),
        }
    }

    fn speakers(&self) -> &[u8] {
        match self {
            Self::Custom(speakers) => speakers.get(..MAX_CHANNELS).unwrap_or(speakers),
            _ => &[],
        }
    }
}

const UNSPECIFIED: u8 = 0;
const NATIVE: u8 = 1;
const CUSTOM: u8 = 2;
/// The count has eight bits.
const MAX_CHANNELS: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layouts() -> impl Strategy<Value = ChannelLayout> {
        let speakers = prop::collection::vec(any::<u8>(), 0..256);
        prop_oneof![
            any::<u8>().prop_map(|channels| ChannelLayout::Unspecified { channels }),
            any::<(u8, u32)>()
                .prop_map(|(channels, flags)| ChannelLayout::Native { channels, flags }),
            speakers.prop_map(|speakers| ChannelLayout::Custom(speakers.into())),
        ]
    }

    #[test]
    fn vectors() {
        let surround = ChannelLayout::parse(&[1, 6, 0, 0, 0, 0x3F]).unwrap();
        let (channels, flags) = (6, 0x3F);
        assert_eq!(surround, Some(ChannelLayout::Native { channels, flags }));
        let swapped = ChannelLayout::parse(&[2, 2, 1, 0]).unwrap();
        assert_eq!(
            swapped,
            Some(ChannelLayout::Custom(Bytes::from_static(&[1, 0])))
        );
        assert_eq!(ChannelLayout::parse(&[3, 2]), Ok(None));
        let too_many = ChannelLayout::Custom(Bytes::from(vec![0; 300]));
        assert_eq!(too_many.channels(), 255);
    }

    proptest! {
        #[test]
        fn round_trips(layout in layouts()) {
            let mut out = BytesMut::new();
            layout.put(&mut out);
            prop_assert_eq!(ChannelLayout::parse(&out), Ok(Some(layout)));
            for end in 0..out.len() {
                prop_assert!(ChannelLayout::parse(&out[..end]).is_err());
            }
        }
    }
}
