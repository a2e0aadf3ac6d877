//! Leaves and other operators of ours on their way to servers.
//!
//! Must not know: transports. Invariant: what was encoded comes back; foreign bytes are an error.

use std::sync::Arc;

use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::common::{internal_datafusion_err, internal_err};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use serde::{Deserialize, Serialize};

use super::share::{Parts, ShareExec};
use crate::outer_sides::OuterSideExec;

/// Reads and writes [`ShareExec`], and [`OuterSideExec`], of which there is nothing to write.
#[derive(Debug)]
pub(super) struct ShareCodec;

#[derive(Serialize, Deserialize)]
struct Head {
    table: String,
    parts: Parts,
}

impl PhysicalExtensionCodec for ShareCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let ([], [side]) = (buf, inputs) {
            return Ok(Arc::new(OuterSideExec::new(Arc::clone(side))));
        }
        let broken = || internal_datafusion_err!("a leaf of a stage is cut short");
        let (length, rest) = buf.split_first_chunk::<8>().ok_or_else(broken)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| broken())?;
        let (head, rows) = rest.split_at_checked(length).ok_or_else(broken)?;
        let head: Head = serde_json::from_slice(head)
            .map_err(|error| internal_datafusion_err!("a leaf of a stage: {error}"))?;
        let reader = StreamReader::try_new(rows, None)?;
        let schema = reader.schema();
        let rows = reader.collect::<Result<Vec<_>, _>>()?;
        let leaf = ShareExec::new(&head.table, schema, head.parts, rows);
        Ok(Arc::new(leaf))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        if node.is::<OuterSideExec>() {
            return Ok(());
        }
        let Some(leaf) = node.downcast_ref::<ShareExec>() else {
            return internal_err!("`{}` cannot travel", node.name());
        };
        let head = Head {
            table: leaf.table().to_owned(),
            parts: leaf.parts().clone(),
        };
        let head = serde_json::to_vec(&head)
            .map_err(|error| internal_datafusion_err!("a leaf of a stage: {error}"))?;
        buf.extend_from_slice(&(head.len() as u64).to_le_bytes());
        buf.extend_from_slice(&head);
        let mut writer = StreamWriter::try_new(buf, &leaf.schema())?;
        for batch in leaf.rows() {
            writer.write(batch)?;
        }
        writer.finish()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion_proto::physical_plan::DefaultPhysicalProtoConverter;

    use super::*;
    use crate::distributed::Share;

    #[test]
    fn a_share_comes_back_and_a_part_of_one_is_refused() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
        let batch = RecordBatch::try_from_iter([("x", column)]).unwrap();
        let share = Share {
            server: "Server_a_1".to_owned(),
            url: "http://a:1".to_owned(),
            request: vec![1, 2, 3],
        };
        let by_lane = Parts::ByLane(vec![Vec::new(), vec![share.clone()]]);
        let converter = DefaultPhysicalProtoConverter {};
        let decoded =
            |bytes: &[u8]| ShareCodec.try_decode(bytes, &[], &TaskContext::default(), &converter);
        let mut bytes = Vec::new();
        for parts in [by_lane, Parts::Any(3, vec![share])] {
            let leaf = ShareExec::new("t", batch.schema(), parts.clone(), vec![batch.clone()]);
            bytes.clear();
            ShareCodec
                .try_encode(Arc::new(leaf), &mut bytes, &converter)
                .unwrap();
            let back = decoded(&bytes).unwrap();
            let back = back.downcast_ref::<ShareExec>().unwrap();
            assert_eq!((back.table(), back.parts()), ("t", &parts));
            assert_eq!(back.rows(), std::slice::from_ref(&batch));
        }
        for cut in 0..64 {
            assert!(decoded(&bytes[..cut]).is_err(), "{cut}");
        }
    }
}
