//! Texts that are wrong: each fault is named with its line and column.

use mongoark_bson_text::parse;

#[test]
fn faults_are_named_with_their_place() {
    for (json, message) in [
        ("", "line 1, column 1: the { of the document is missing"),
        ("[]", "line 1, column 1: the { of the document is missing"),
        ("{", "line 1, column 2: a key in quotes is missing"),
        ("{\"a\"", "line 1, column 5: a colon is missing"),
        ("{\"a\":", "line 1, column 6: a value is missing"),
        ("{\"a\":1", "line 1, column 7: a comma or } is missing"),
        ("{\"a\":1,}", "line 1, column 8: a key in quotes is missing"),
        ("{\"a\":[1,]}", "line 1, column 9: a value is missing"),
        ("{\"a\":[1}", "line 1, column 8: a comma or ] is missing"),
        ("{} x", "line 1, column 4: there is more text after the document"),
        ("{\n \"é\": nul}", "line 2, column 7: a value is missing"),
        ("{\"a\": 01}", "line 1, column 7: not a number"),
        ("{\"a\": -}", "line 1, column 7: not a number"),
        ("{\"a\": 1.}", "line 1, column 7: not a number"),
        ("{\"a\": 1e}", "line 1, column 7: not a number"),
        ("{\"a\": 1e999}", "line 1, column 7: the number is too large"),
        ("{\"a\": \"\\x\"}", "line 1, column 8: not a valid escape"),
        ("{\"a\": \"\\ud800\"}", "line 1, column 8: not a valid escape"),
        ("{\"a\": \"\\udc00\"}", "line 1, column 8: not a valid escape"),
        ("{\"a\": \"\\u12é4\"}", "line 1, column 8: not a valid escape"),
        ("{\"a\": \"\t\"}", "line 1, column 8: a control character must be escaped"),
        ("{\"a\": \"", "line 1, column 8: the end of the string is missing"),
        ("{\"a\\u0000b\": 1}", "line 1, column 3: a key cannot hold a zero character"),
        ("{\"a\": {\"$oid\": \"12\"}}", "line 1, column 7: $oid wants 24 hexadecimal digits"),
        (
            "{\"a\": {\"$oid\": \"00000000000000000000000g\"}}",
            "line 1, column 7: $oid wants 24 hexadecimal digits",
        ),
        ("{\"a\": {\"$numberInt\": 1}}", "line 1, column 7: $numberInt wants a 32-bit integer in quotes"),
        (
            "{\"a\": {\"$numberInt\": \"2147483648\"}}",
            "line 1, column 7: $numberInt wants a 32-bit integer in quotes",
        ),
        ("{\"a\": {\"$undefined\": false}}", "line 1, column 7: $undefined wants true"),
        ("{\"a\": {\"$minKey\": 2}}", "line 1, column 7: $minKey wants 1"),
        ("{\"a\": {\"$symbol\": \"s\", \"x\": 1}}", "line 1, column 7: $symbol wants a string"),
        ("{\"a\": {\"$scope\": {}}}", "line 1, column 7: $scope wants an object, and a $code after it"),
    ] {
        let error = parse(json).expect_err(json);
        assert_eq!(error.to_string(), format!("invalid Extended JSON in {message}"), "{json}");
    }
}

#[test]
fn objects_with_a_name_of_a_type_must_be_complete() {
    for value in [
        r#"{"$date":"yesterday"}"#,
        r#"{"$date":1.5}"#,
        r#"{"$timestamp":{"t":1}}"#,
        r#"{"$timestamp":{"t":1,"i":4294967296}}"#,
        r#"{"$timestamp":{"t":1,"i":2,"x":3}}"#,
        r#"{"$binary":{"base64":"AA","subType":"00"}}"#,
        r#"{"$binary":{"base64":"AAA=","subType":"100"}}"#,
        r#"{"$binary":"AAA="}"#,
        r#"{"$uuid":"000102030405060708090a0b0c0d0e0f"}"#,
        r#"{"$regularExpression":{"pattern":"a\u0000","options":""}}"#,
        r#"{"$regularExpression":"a"}"#,
        r#"{"$dbPointer":{"$ref":"a","$id":"b"}}"#,
        r#"{"$code":1}"#,
        r#"{"$code":"f","$scope":1}"#,
        r#"{"$code":"f","$scope":{},"x":1}"#,
        r#"{"$numberDouble":"nan"}"#,
        r#"{"$numberLong":"9223372036854775808"}"#,
        r#"{"$maxKey":true}"#,
    ] {
        assert!(parse(&format!("{{\"x\":{value}}}")).is_err(), "{value}");
    }
}
