//! The methods and functions of the subset, one table each.
//!
//! The tables are what the parser looks names up in, what `respond_to?` answers from and what `docs/ruby-subset.md`
//! lists. Letters say which receivers have a method:
//!
//! ```text
//! S string   Y symbol   A array   H hash   R range   I integer   F float   T time
//! X regular expression   M match   E exception   L nil   O everything
//! ```

macro_rules! methods {
    ($($variant:ident { $($name:literal $receivers:literal),* },)*) => {
        /// A method, whatever its receiver.
        #[allow(clippy::enum_variant_names, reason = "some methods are about methods")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Method { $($variant),* }

        impl Method {
            /// The method of that name, if the subset has it for any receiver.
            pub(crate) fn find(name: &str) -> Option<Self> {
                match name { $($($name => Some(Self::$variant),)*)* _ => None }
            }

            /// The first of its names.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => [$($name),*][0]),* }
            }

            /// Name and receivers of every method.
            pub(crate) const TABLE: &'static [(&'static str, &'static str)] = &[$($(($name, $receivers),)*)*];
        }
    };
}

methods! {
    Index { "[]" "SAHIMRO" },
    SetIndex { "[]=" "SAH", "store" "H" },
    Equal { "==" "O" },
    NotEqual { "!=" "O" },
    CaseEqual { "===" "O" },
    Match { "=~" "SXYO" },
    NotMatch { "!~" "SXO" },
    Compare { "<=>" "O" },
    Less { "<" "IFST" },
    LessEqual { "<=" "IFST" },
    Greater { ">" "IFST" },
    GreaterEqual { ">=" "IFST" },
    Add { "+" "SAIFT" },
    Subtract { "-" "AIFT" },
    Multiply { "*" "SAIF" },
    Divide { "/" "IF" },
    Modulo { "%" "SIF", "modulo" "IF" },
    Power { "**" "IF" },
    Append { "<<" "SAI" },
    ShiftRight { ">>" "I" },
    BitAnd { "&" "AIO" },
    BitOr { "|" "AIO" },
    BitXor { "^" "IO" },
    Negate { "-@" "IF" },
    Plus { "+@" "IF" },
    Complement { "~" "I" },
    Abs { "abs" "IF" },
    All { "all?" "AHR" },
    Any { "any?" "AHR" },
    Push { "append" "A", "push" "A" },
    At { "at" "A" },
    Between { "between?" "IFST" },
    Bytes { "bytes" "S" },
    ByteSize { "bytesize" "S" },
    ByteSlice { "byteslice" "S" },
    Capitalize { "capitalize" "SY" },
    CapitalizeBang { "capitalize!" "S" },
    Captures { "captures" "M" },
    CaseCompare { "casecmp" "S" },
    CaseCompareEqual { "casecmp?" "S" },
    Ceil { "ceil" "IF" },
    Center { "center" "S" },
    Chars { "chars" "S" },
    Chomp { "chomp" "S" },
    ChompBang { "chomp!" "S" },
    Chop { "chop" "S" },
    Chr { "chr" "SI" },
    Clamp { "clamp" "IF" },
    ClassOf { "class" "O" },
    Clear { "clear" "SAH" },
    Map { "collect" "AHR", "map" "AHR" },
    Compact { "compact" "AH" },
    CompactBang { "compact!" "AH" },
    Concat { "concat" "SA" },
    Count { "count" "SAHR" },
    Day { "day" "T", "mday" "T" },
    Delete { "delete" "SAH" },
    DeleteBang { "delete!" "S" },
    DeleteAt { "delete_at" "A" },
    DeleteIf { "delete_if" "AH" },
    DeletePrefix { "delete_prefix" "S" },
    DeleteSuffix { "delete_suffix" "S" },
    Find { "detect" "AHR", "find" "AHR" },
    Difference { "difference" "A" },
    Dig { "dig" "AH" },
    Digits { "digits" "I" },
    IntegerDivide { "div" "IF" },
    DivideModulo { "divmod" "IF" },
    Downcase { "downcase" "SY" },
    DowncaseBang { "downcase!" "S" },
    Downto { "downto" "I" },
    Drop { "drop" "AHR" },
    DropWhile { "drop_while" "AHR" },
    Inspect { "dump" "S", "inspect" "O" },
    Dup { "dup" "O", "clone" "O" },
    Each { "each" "AHR", "each_pair" "H" },
    EachChar { "each_char" "S" },
    EachCons { "each_cons" "AHR" },
    EachIndex { "each_index" "A" },
    EachKey { "each_key" "H" },
    EachLine { "each_line" "S" },
    EachSlice { "each_slice" "AHR" },
    EachValue { "each_value" "H" },
    EachWithIndex { "each_with_index" "AHR" },
    EachWithObject { "each_with_object" "AHR" },
    IsEmpty { "empty?" "SAHY" },
    Encode { "encode" "S", "encode!" "S" },
    EndWith { "end_with?" "SY" },
    ToArray { "entries" "AHR", "to_a" "AHRTML", "to_ary" "A" },
    StrictEqual { "eql?" "O" },
    IsEven { "even?" "I" },
    Except { "except" "H" },
    FloatDivide { "fdiv" "IF" },
    Fetch { "fetch" "AH" },
    FetchValues { "fetch_values" "H" },
    Select { "filter" "AHR", "select" "AHR" },
    SelectBang { "filter!" "AH", "select!" "AH" },
    FilterMap { "filter_map" "AHR" },
    SelectArray { "find_all" "AHR" },
    FindIndex { "find_index" "A", "index" "SA" },
    IsFinite { "finite?" "IF" },
    First { "first" "AHR" },
    FlatMap { "flat_map" "AHR", "collect_concat" "AHR" },
    Flatten { "flatten" "AH" },
    FlattenBang { "flatten!" "A" },
    Floor { "floor" "IF" },
    Itself { "read" "S", "force_encoding" "S", "freeze" "O", "itself" "O", "b" "S" },
    IsFriday { "friday?" "T" },
    IsFrozen { "frozen?" "O" },
    Message { "full_message" "E", "message" "E" },
    GetByte { "getbyte" "S" },
    ToLocal { "getlocal" "T", "localtime" "T" },
    ToUtc { "getutc" "T", "getgm" "T", "gmtime" "T", "utc" "T" },
    UtcOffset { "gmt_offset" "T", "gmtoff" "T", "utc_offset" "T" },
    GroupBy { "group_by" "AHR" },
    Gsub { "gsub" "S" },
    GsubBang { "gsub!" "S" },
    HasKey { "has_key?" "H", "key?" "H" },
    HasValue { "has_value?" "H", "value?" "H" },
    Hex { "hex" "S" },
    Hour { "hour" "T" },
    Include { "include?" "SAHR", "member?" "AHR", "cover?" "R" },
    IsInfinite { "infinite?" "IF" },
    Reduce { "inject" "AHR", "reduce" "AHR" },
    Insert { "insert" "SA" },
    InstanceOf { "instance_of?" "O" },
    IsInteger { "integer?" "IF" },
    ToSymbol { "intern" "S", "to_sym" "SY" },
    Intersect { "intersect?" "A" },
    Intersection { "intersection" "A" },
    Invert { "invert" "H" },
    IsA { "is_a?" "O", "kind_of?" "O" },
    Iso8601 { "iso8601" "T", "xmlschema" "T", "rfc3339" "T" },
    Join { "join" "A" },
    KeepIf { "keep_if" "AH" },
    KeyOf { "key" "H" },
    Keys { "keys" "H" },
    Last { "last" "AR" },
    Length { "length" "SAHY", "size" "SAHRIY" },
    Lines { "lines" "S" },
    Ljust { "ljust" "S" },
    Lstrip { "lstrip" "S" },
    LstripBang { "lstrip!" "S" },
    MapBang { "map!" "A" },
    MatchData { "match" "SX" },
    IsMatch { "match?" "SX" },
    Max { "max" "AHR" },
    MaxBy { "max_by" "AHR" },
    Merge { "merge" "H" },
    MergeBang { "merge!" "H", "update" "H" },
    Min { "min" "AHRT" },
    MinBy { "min_by" "AHR" },
    MinMax { "minmax" "AHR" },
    Minute { "minute" "T" },
    Month { "month" "T", "mon" "T" },
    IsMonday { "monday?" "T" },
    Name { "name" "O" },
    NamedCaptures { "named_captures" "M" },
    Names { "names" "MX" },
    IsNan { "nan?" "F" },
    IsNegative { "negative?" "IF" },
    Successor { "next" "IS", "succ" "IS" },
    Predecessor { "pred" "I" },
    IsNil { "nil?" "O" },
    None { "none?" "AHR" },
    NonZero { "nonzero?" "IF" },
    Nsec { "nsec" "T", "tv_nsec" "T" },
    Oct { "oct" "S" },
    IsOdd { "odd?" "I" },
    One { "one?" "AHR" },
    Ord { "ord" "S" },
    Pack { "pack" "A" },
    Partition { "partition" "SAHR" },
    Pop { "pop" "A" },
    IsPositive { "positive?" "IF" },
    PostMatch { "post_match" "M" },
    PreMatch { "pre_match" "M" },
    Prepend { "prepend" "SA" },
    Product { "product" "A" },
    Reject { "reject" "AHR" },
    RejectBang { "reject!" "AH" },
    Remainder { "remainder" "IF" },
    Replace { "replace" "SAH" },
    RespondTo { "respond_to?" "O" },
    Reverse { "reverse" "SA" },
    ReverseBang { "reverse!" "SA" },
    ReverseEach { "reverse_each" "AHR" },
    RightIndex { "rindex" "SA" },
    Rjust { "rjust" "S" },
    Rotate { "rotate" "A" },
    Round { "round" "IFT" },
    RightPartition { "rpartition" "S" },
    Rstrip { "rstrip" "S" },
    RstripBang { "rstrip!" "S" },
    Sample { "sample" "A" },
    IsSaturday { "saturday?" "T" },
    Scan { "scan" "S" },
    Scrub { "scrub" "S", "scrub!" "S" },
    Second { "sec" "T" },
    Shift { "shift" "AH" },
    Slice { "slice" "SAH" },
    SliceBang { "slice!" "SA" },
    Sort { "sort" "AHR" },
    SortBang { "sort!" "A" },
    SortBy { "sort_by" "AHR" },
    SortByBang { "sort_by!" "A" },
    Source { "source" "X" },
    Split { "split" "S" },
    Squeeze { "squeeze" "S" },
    StartWith { "start_with?" "SY" },
    Step { "step" "IR" },
    Strftime { "strftime" "T" },
    Strip { "strip" "S" },
    StripBang { "strip!" "S" },
    Sub { "sub" "S" },
    SubBang { "sub!" "S" },
    Sum { "sum" "AHR" },
    IsSunday { "sunday?" "T" },
    Swapcase { "swapcase" "S" },
    SwapcaseBang { "swapcase!" "S" },
    Take { "take" "AHR" },
    TakeWhile { "take_while" "AHR" },
    Tally { "tally" "AHR" },
    Tap { "tap" "O" },
    Then { "then" "O", "yield_self" "O" },
    IsThursday { "thursday?" "T" },
    Times { "times" "I" },
    ToDate { "to_date" "T" },
    ToDateTime { "to_datetime" "T" },
    ToTime { "to_time" "T" },
    ToFloat { "to_f" "SIFTL" },
    ToHash { "to_h" "AHRL", "to_hash" "H" },
    ToInteger { "to_i" "SIFTL", "to_int" "IF", "tv_sec" "T" },
    ToJson { "to_json" "O" },
    ToRational { "to_r" "T" },
    ToText { "to_s" "O", "to_str" "S" },
    Tr { "tr" "S" },
    TrBang { "tr!" "S" },
    TrSqueeze { "tr_s" "S" },
    TransformKeys { "transform_keys" "H" },
    TransformKeysBang { "transform_keys!" "H" },
    TransformValues { "transform_values" "H" },
    TransformValuesBang { "transform_values!" "H" },
    Transpose { "transpose" "A" },
    Truncate { "truncate" "IF" },
    IsTuesday { "tuesday?" "T" },
    Union { "union" "A" },
    Uniq { "uniq" "AHR" },
    UniqBang { "uniq!" "A" },
    Unpack { "unpack" "S" },
    UnpackFirst { "unpack1" "S" },
    Unshift { "unshift" "A" },
    Upcase { "upcase" "SY" },
    UpcaseBang { "upcase!" "S" },
    Upto { "upto" "I" },
    Usec { "usec" "T", "tv_usec" "T" },
    IsUtc { "utc?" "T" },
    IsValidEncoding { "valid_encoding?" "S" },
    IsAsciiOnly { "ascii_only?" "S" },
    Values { "values" "H" },
    ValuesAt { "values_at" "AH" },
    Weekday { "wday" "T" },
    IsWednesday { "wednesday?" "T" },
    YearDay { "yday" "T" },
    Year { "year" "T" },
    IsZero { "zero?" "IF" },
    Zip { "zip" "AHR" },
    ZoneName { "zone" "T" },
    RangeFirst { "begin" "RM" },
    RangeLast { "end" "RM" },
    IsExclusive { "exclude_end?" "R" },
    Backtrace { "backtrace" "E" },
    Codepoints { "codepoints" "S" },
    EachByte { "each_byte" "S" },
    MapWithIndex { "map.with_index" "AHR" },
    EachWithIndexFrom { "each.with_index" "AHR" },
    SelectWithIndex { "select.with_index" "AHR" },
}

impl Method {
    /// The method changes its receiver; expressions that use one keep each string apart.
    pub(crate) fn mutates(self) -> bool {
        self.name().ends_with('!')
            || matches!(
                self,
                Method::SetIndex
                    | Method::Append
                    | Method::Push
                    | Method::Clear
                    | Method::Concat
                    | Method::Delete
                    | Method::DeleteAt
                    | Method::DeleteIf
                    | Method::KeepIf
                    | Method::Insert
                    | Method::MergeBang
                    | Method::Pop
                    | Method::Prepend
                    | Method::Replace
                    | Method::Shift
                    | Method::Unshift
            )
    }
}

macro_rules! functions {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A function that needs no receiver.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Function { $($variant),* }

        impl Function {
            pub(crate) fn find(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            pub(crate) const NAMES: &'static [&'static str] = &[$($name),*];
        }
    };
}

functions! {
    Format "format", Sprintf "sprintf", Integer "Integer", Float "Float", Text "String", Array "Array",
    Rand "rand", Raise "raise", Fail "fail", Require "require", Loop "loop",
}

macro_rules! class_methods {
    ($($variant:ident $($name:literal)*),* $(,)?) => {
        /// A method of a class or module.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ClassMethod { $($variant),* }

        impl ClassMethod {
            /// By its full name, such as `Time.now`.
            pub(crate) fn find(name: &str) -> Option<Self> {
                match name { $($($name => Some(Self::$variant),)*)* _ => None }
            }

            pub(crate) const NAMES: &'static [&'static str] = &[$($($name),*),*];
        }
    };
}

class_methods! {
    EnvIndex "ENV.[]", EnvFetch "ENV.fetch", EnvHasKey "ENV.key?" "ENV.has_key?" "ENV.include?" "ENV.member?",
    EnvToHash "ENV.to_h" "ENV.to_hash",
    TimeNow "Time.now" "Fluent::EventTime.now", DateTimeNow "DateTime.now", TimeAt "Time.at",
    TimeParse "Time.parse" "Fluent::EventTime.parse", DateTimeParse "DateTime.parse", TimeIso8601 "Time.iso8601" "Time.xmlschema", DateTimeIso8601 "DateTime.iso8601",
    TimeStrptime "Time.strptime", DateTimeStrptime "DateTime.strptime", TimeUtc "Time.utc" "Time.gm", TimeLocal "Time.local" "Time.mktime" "Time.new",
    DateToday "Date.today", DateParse "Date.parse",
    FileRead "File.read" "IO.read" "IO.binread" "File.binread", FileReadLines "File.readlines" "IO.readlines" "File.foreach",
    FileOpen "File.open" "File.new",
    FileExists "File.exist?" "File.exists?", FileIsFile "File.file?", FileIsDirectory "File.directory?" "Dir.exist?",
    FileBasename "File.basename", FileDirname "File.dirname", FileExtname "File.extname", FileJoin "File.join",
    FileExpand "File.expand_path", WorkingDirectory "Dir.pwd" "Dir.getwd",
    JsonParse "JSON.parse" "JSON.load" "Oj.load" "Yajl::Parser.parse" "JSON.parse!", JsonGenerate "JSON.generate" "JSON.dump" "Oj.dump",
    JsonPretty "JSON.pretty_generate",
    Base64Encode "Base64.encode64", Base64StrictEncode "Base64.strict_encode64", Base64UrlEncode "Base64.urlsafe_encode64",
    Base64Decode "Base64.decode64" "Base64.strict_decode64" "Base64.urlsafe_decode64",
    Hostname "Socket.gethostname", ProcessId "Process.pid", ClockTime "Process.clock_gettime",
    RandomUuid "SecureRandom.uuid", RandomHex "SecureRandom.hex", RandomNumber "SecureRandom.random_number" "Random.rand" "Kernel.rand",
    RegexpNew "Regexp.new" "Regexp.compile", RegexpEscape "Regexp.escape" "Regexp.quote", RegexpUnion "Regexp.union",
    HashNew "Hash.new", HashIndex "Hash.[]", ArrayNew "Array.new", TextNew "String.new",
    MathSqrt "Math.sqrt", MathLog "Math.log", MathLog10 "Math.log10", MathLog2 "Math.log2",
    MathPow "Math.pow", IntegerSqrt "Integer.sqrt",
    Md5Hex "Digest::MD5.hexdigest", Sha1Hex "Digest::SHA1.hexdigest", Sha256Hex "Digest::SHA256.hexdigest",
    Md5Base64 "Digest::MD5.base64digest", Sha1Base64 "Digest::SHA1.base64digest", Sha256Base64 "Digest::SHA256.base64digest",
    Crc32 "Zlib.crc32", UriEncode "URI.encode_www_form_component" "CGI.escape", UriDecode "URI.decode_www_form_component" "CGI.unescape" "URI.decode",
    KernelFormat "Kernel.format" "Kernel.sprintf", KernelInteger "Kernel.Integer", KernelFloat "Kernel.Float",
}
