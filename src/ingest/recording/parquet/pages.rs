//! What a Parquet file says of its pages, held against the file: polars believes their counts and asks for the memory first, and
//! memory that there is not ends the program. Apache Parquet format, "Data Pages" and parquet.thrift, `PageHeader`.

use std::io::{BufReader, Read, Seek, SeekFrom};

use polars_io::parquet::read::FileMetadata;
use polars_parquet_format::thrift::protocol::TCompactInputProtocol;
use polars_parquet_format::{PageHeader, PageType};

/// No table of readings has as many rows to a byte: their times differ.
const ROWS_PER_BYTE: u64 = 64;

/// The most bytes of a page, unpacked: polars makes room for them before it looks. Writers make pages of about a megabyte.
const PAGE: u64 = 1 << 28;

/// The most that a page's header takes; it may hold a least and a greatest text.
const HEADER: usize = 1 << 20;

/// Why the pages cannot be as they say they are.
///
/// Of the columns that are read, which are no lists: a list has more values than the table has rows.
pub(super) fn check(file: &mut (impl Read + Seek), metadata: &FileMetadata, read: &[String]) -> Result<(), String> {
    let mut file = BufReader::new(file);
    let size = file.seek(SeekFrom::End(0)).map_err(|error| error.to_string())?;
    for group in &metadata.row_groups {
        let rows = u64::try_from(group.num_rows()).unwrap_or(u64::MAX);
        if rows > size.saturating_mul(ROWS_PER_BYTE) {
            return Err(format!("{rows} rows cannot stand in {size} bytes"));
        }
        for column in read.iter().filter_map(|name| group.columns_under_root_iter(name)).flatten() {
            let range = column.byte_range();
            let name = column.descriptor().path_in_schema.join(".");
            let wrong = |why: &str| format!("column `{name}`: {why}");
            if range.end > size {
                return Err(wrong("it ends after the file does"));
            }
            let (mut position, mut left) = (range.start, rows);
            while left > 0 && position < range.end {
                file.seek(SeekFrom::Start(position)).map_err(|error| error.to_string())?;
                let mut protocol = TCompactInputProtocol::new(&mut file, HEADER);
                let header =
                    PageHeader::read_from_in_protocol(&mut protocol).map_err(|error| wrong(&error.to_string()))?;
                let values = values(&header, rows).ok_or_else(|| wrong("a page is larger than it can be"))?;
                left = left.saturating_sub(values);
                position = file.stream_position().map_err(|error| error.to_string())?;
                let length =
                    u64::try_from(header.compressed_page_size).map_err(|_| wrong("a page is shorter than nothing"))?;
                position += length;
            }
        }
    }
    Ok(())
}

/// How many of the table's rows a page holds; `None` if what it says of that cannot be.
fn values(header: &PageHeader, rows: u64) -> Option<u64> {
    let within = |count: i32, most: u64| u64::try_from(count).ok().filter(|&count| count <= most);
    let bytes = u64::try_from(header.uncompressed_page_size).ok().filter(|&bytes| bytes <= PAGE)?;
    if let (PageType::DICTIONARY_PAGE, Some(dictionary)) = (header.type_, &header.dictionary_page_header) {
        // It may know more texts than there are rows, each of which takes bytes.
        return within(dictionary.num_values, bytes).map(|_| 0);
    }
    if let Some(page) = &header.data_page_header_v2 {
        let levels = [page.definition_levels_byte_length, page.repetition_levels_byte_length];
        levels.into_iter().try_for_each(|length| within(length, bytes).map(drop))?;
        [page.num_nulls, page.num_rows].into_iter().try_for_each(|count| within(count, rows).map(drop))?;
        within(page.num_values, rows)?;
    }
    match (&header.data_page_header, &header.data_page_header_v2) {
        (Some(page), _) => within(page.num_values, rows),
        (None, Some(page)) => within(page.num_values, rows),
        (None, None) => Some(0),
    }
}
