//! Record headers and payloads: decoding any bytes returns, and what was decoded can be read to its end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidemill_model::payload::{DeleteRange, Heartbeat, OperatorDefinition, Quarantined, SamplesView, SeriesDefinition};
use tidemill_model::record::RecordHeader;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = RecordHeader::decode(bytes) {
        assert_eq!(header.encode()[..], bytes[..48], "a header has one encoding");
    }
    if let Ok(view) = SamplesView::parse(bytes) {
        for column in view.columns() {
            let covered: usize = column.runs().map(|run| run.rows).sum();
            assert_eq!(covered, column.rows(), "runs cover the rows");
            for row in 0..column.rows() {
                std::hint::black_box((column.time(row), column.value(row), column.quality(row)));
            }
        }
    }
    let _ = Heartbeat::parse(bytes);
    let _ = DeleteRange::parse(bytes);
    let _ = OperatorDefinition::parse(bytes);
    let _ = Quarantined::parse(bytes);
    let _ = SeriesDefinition::parse(bytes).map(SeriesDefinition::series);
});
