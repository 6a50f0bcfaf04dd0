//! An append-only builder of raw documents.

use crate::element::Element;
use crate::kind;

/// Builds one document, element after element, exactly as told.
///
/// Keys and texts are any bytes; nothing is checked, sorted or made unique, so that odd documents can
/// be built too. A key ends at its first zero byte, because BSON has no way to store one in a key.
///
/// ```
/// # use mongoark_bson_bytes::{Builder, get};
/// let mut command = Builder::new();
/// command.str("find", "orders").nested("filter", |filter| {
///     filter.i32("qty", 3);
/// });
/// let bytes = command.i32("batchSize", 0).finish();
/// assert_eq!(get(&bytes, "find").unwrap().unwrap().as_str(), Some("orders"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Builder {
    /// Starts with four bytes for the length as soon as anything is in it.
    bytes: Vec<u8>,
    /// Where each nested document that is still open begins.
    open: Vec<usize>,
}

impl Builder {
    /// An empty document.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty document with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), open: Vec::new() }
    }

    /// The finished bytes; nested documents that are still open are closed. The builder is empty again.
    pub fn finish(&mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.end();
        }
        self.header();
        self.bytes.push(0);
        let mut bytes = std::mem::take(&mut self.bytes);
        patch_len(&mut bytes, 0);
        bytes
    }

    /// Bytes so far, without the final terminator.
    pub fn len(&self) -> usize {
        self.bytes.len().max(4)
    }

    /// Whether no element was added yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() <= 4
    }

    /// An element of type `kind` with these value bytes, which must be those of that type.
    pub fn raw(&mut self, kind: u8, key: impl AsRef<[u8]>, value: &[u8]) -> &mut Self {
        self.start(kind, key.as_ref());
        self.bytes.extend_from_slice(value);
        self
    }

    /// A copy of an element.
    pub fn element(&mut self, element: &Element<'_>) -> &mut Self {
        self.raw(element.kind, element.key, element.value)
    }

    /// A 32-bit integer.
    pub fn i32(&mut self, key: impl AsRef<[u8]>, value: i32) -> &mut Self {
        self.raw(kind::INT32, key, &value.to_le_bytes())
    }

    /// A 64-bit integer.
    pub fn i64(&mut self, key: impl AsRef<[u8]>, value: i64) -> &mut Self {
        self.raw(kind::INT64, key, &value.to_le_bytes())
    }

    /// A double, its bits kept.
    pub fn f64(&mut self, key: impl AsRef<[u8]>, value: f64) -> &mut Self {
        self.raw(kind::DOUBLE, key, &value.to_le_bytes())
    }

    /// A boolean.
    pub fn bool(&mut self, key: impl AsRef<[u8]>, value: bool) -> &mut Self {
        self.raw(kind::BOOL, key, &[u8::from(value)])
    }

    /// A null.
    pub fn null(&mut self, key: impl AsRef<[u8]>) -> &mut Self {
        self.raw(kind::NULL, key, &[])
    }

    /// A string.
    pub fn str(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        self.text(kind::STRING, key, value)
    }

    /// Text of type [`kind::STRING`], [`kind::CODE`] or [`kind::SYMBOL`].
    pub fn text(&mut self, kind: u8, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        self.start(kind, key.as_ref());
        self.push_string(value.as_ref());
        self
    }

    /// Milliseconds since 1970.
    pub fn date(&mut self, key: impl AsRef<[u8]>, milliseconds: i64) -> &mut Self {
        self.raw(kind::DATE, key, &milliseconds.to_le_bytes())
    }

    /// A timestamp.
    pub fn timestamp(&mut self, key: impl AsRef<[u8]>, seconds: u32, increment: u32) -> &mut Self {
        self.start(kind::TIMESTAMP, key.as_ref());
        self.bytes.extend_from_slice(&increment.to_le_bytes());
        self.bytes.extend_from_slice(&seconds.to_le_bytes());
        self
    }

    /// An object id.
    pub fn object_id(&mut self, key: impl AsRef<[u8]>, id: [u8; 12]) -> &mut Self {
        self.raw(kind::OBJECT_ID, key, &id)
    }

    /// Binary data as stored: for subtype 2 the caller puts the second length in front.
    pub fn binary(&mut self, key: impl AsRef<[u8]>, subtype: u8, value: &[u8]) -> &mut Self {
        self.start(kind::BINARY, key.as_ref());
        self.push_len(value.len());
        self.bytes.push(subtype);
        self.bytes.extend_from_slice(value);
        self
    }

    /// A regular expression; each part ends at its first zero byte.
    pub fn regex(
        &mut self,
        key: impl AsRef<[u8]>,
        pattern: impl AsRef<[u8]>,
        options: impl AsRef<[u8]>,
    ) -> &mut Self {
        self.start(kind::REGEX, key.as_ref());
        self.push_cstring(pattern.as_ref());
        self.push_cstring(options.as_ref());
        self
    }

    /// A `DBPointer`.
    pub fn db_pointer(
        &mut self,
        key: impl AsRef<[u8]>,
        namespace: impl AsRef<[u8]>,
        id: [u8; 12],
    ) -> &mut Self {
        self.text(kind::DB_POINTER, key, namespace);
        self.bytes.extend_from_slice(&id);
        self
    }

    /// Code with a scope document.
    pub fn code_with_scope(
        &mut self,
        key: impl AsRef<[u8]>,
        code: impl AsRef<[u8]>,
        scope: &[u8],
    ) -> &mut Self {
        let code = code.as_ref();
        self.start(kind::CODE_WITH_SCOPE, key.as_ref());
        self.push_len(4 + 4 + code.len() + 1 + scope.len());
        self.push_string(code);
        self.bytes.extend_from_slice(scope);
        self
    }

    /// The 16 bytes of a decimal.
    pub fn decimal128(&mut self, key: impl AsRef<[u8]>, value: [u8; 16]) -> &mut Self {
        self.raw(kind::DECIMAL128, key, &value)
    }

    /// A finished document.
    pub fn document(&mut self, key: impl AsRef<[u8]>, document: &[u8]) -> &mut Self {
        self.raw(kind::DOCUMENT, key, document)
    }

    /// A finished array: the bytes of a document with the items as values.
    pub fn array(&mut self, key: impl AsRef<[u8]>, array: &[u8]) -> &mut Self {
        self.raw(kind::ARRAY, key, array)
    }

    /// An array of documents.
    pub fn array_of_documents<D: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        documents: impl IntoIterator<Item = D>,
    ) -> &mut Self {
        self.start_array(key);
        for (index, document) in documents.into_iter().enumerate() {
            self.document(IndexKey::new(index), document.as_ref());
        }
        self.end()
    }

    /// An array of strings.
    pub fn array_of_strs<S: AsRef<[u8]>>(
        &mut self,
        key: impl AsRef<[u8]>,
        strings: impl IntoIterator<Item = S>,
    ) -> &mut Self {
        self.start_array(key);
        for (index, string) in strings.into_iter().enumerate() {
            self.str(IndexKey::new(index), string);
        }
        self.end()
    }

    /// A document that `fill` builds.
    pub fn nested(&mut self, key: impl AsRef<[u8]>, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.start_document(key);
        self.fill(fill)
    }

    /// An array that `fill` builds, keys included (see [`IndexKey`]).
    pub fn nested_array(&mut self, key: impl AsRef<[u8]>, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.start_array(key);
        self.fill(fill)
    }

    /// Opens a document; elements go into it until [`Self::end`].
    pub fn start_document(&mut self, key: impl AsRef<[u8]>) -> &mut Self {
        self.open_nested(kind::DOCUMENT, key.as_ref())
    }

    /// Opens an array; elements go into it until [`Self::end`].
    pub fn start_array(&mut self, key: impl AsRef<[u8]>) -> &mut Self {
        self.open_nested(kind::ARRAY, key.as_ref())
    }

    /// Closes the innermost open document or array; without one it does nothing.
    pub fn end(&mut self) -> &mut Self {
        if let Some(start) = self.open.pop() {
            self.bytes.push(0);
            patch_len(&mut self.bytes, start);
        }
        self
    }

    /// Runs `fill`, then closes what it left open and the document it filled.
    fn fill(&mut self, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let depth = self.open.len();
        fill(self);
        while self.open.len() >= depth.max(1) {
            self.end();
        }
        self
    }

    fn open_nested(&mut self, kind: u8, key: &[u8]) -> &mut Self {
        self.start(kind, key);
        self.open.push(self.bytes.len());
        self.bytes.extend_from_slice(&[0; 4]);
        self
    }

    fn header(&mut self) {
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(&[0; 4]);
        }
    }

    fn start(&mut self, kind: u8, key: &[u8]) {
        self.header();
        self.bytes.push(kind);
        self.push_cstring(key);
    }

    fn push_cstring(&mut self, text: &[u8]) {
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
    }

    fn push_string(&mut self, text: &[u8]) {
        self.push_len(text.len() + 1);
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
    }

    fn push_len(&mut self, len: usize) {
        self.bytes.extend_from_slice(&len_field(len));
    }
}

/// A length that does not fit is stored as the greatest one, which every reader refuses.
fn len_field(len: usize) -> [u8; 4] {
    i32::try_from(len).unwrap_or(i32::MAX).to_le_bytes()
}

/// Writes the length of the document that runs from `start` to the end.
fn patch_len(bytes: &mut [u8], start: usize) {
    let len = len_field(bytes.len().saturating_sub(start));
    if let Some(field) = bytes.get_mut(start..start + 4) {
        field.copy_from_slice(&len);
    }
}

/// The key of an array item, `"0"`, `"1"` and so on, made without allocating.
#[derive(Debug, Clone, Copy)]
pub struct IndexKey {
    digits: [u8; 20],
    start: usize,
}

impl IndexKey {
    /// The key of the item at `index`.
    pub fn new(index: usize) -> Self {
        let (mut digits, mut start, mut rest) = ([b'0'; 20], 20, index);
        while rest > 0 || start == 20 {
            start -= 1;
            digits[start] = b"0123456789"[rest % 10];
            rest /= 10;
        }
        Self { digits, start }
    }
}

impl AsRef<[u8]> for IndexKey {
    fn as_ref(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}
