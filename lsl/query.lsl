// query.lsl: touch this object and say a name or a key on channel 5; it answers with the other of the two.
// Version 0.1.0. MIT licence. For Second Life (Mono) and OpenSimulator.
// One avatar at a time; others are asked to wait. Errors are reported to the owner only.

// "n2k lsl query" fills these lines in.
// URL: the root address of your n2k service, without any "?".
// SPARE: the same of a second one, which is asked while the first one does not answer; "": there is none.
// GRID: the grid of the avatars, such as "Production"; "": preferably the one of the simulator.
string URL = "https://example.com/n2k/";
string SPARE = "";
string GRID = "";

// Yours to change.
integer CHANNEL = 5;
float LISTEN_SECONDS = 30.0;   // seconds that one avatar may take before others get a turn

// Messages to avatars; {channel} is the channel, {asked} the name or key that is looked up. Empty texts are not
// said.
string EXPLANATION = "Say a name or a key on channel {channel}, for example: /{channel} Governor Linden";
string STILL_LOOKING = "Still looking for {asked}.";
string BUSY = "Somebody else is asking. Please touch again in a moment.";
string TOO_LATE = "Time is up. Touch again when you want to ask.";
string NO_SUCH_NAME = "No avatar called {asked} is known here.";
string NO_SUCH_KEY = "No avatar with the key {asked} is known here.";
string NO_ANSWER = "No answer for {asked} this time, sorry.";

// ------------------------------ Nothing below needs changing. ------------------------------

string ME = "query";
// What the notecard may set.
list CARD_NAMES = ["URL", "SPARE", "GRID", "CHANNEL", "EXPLANATION", "STILL_LOOKING", "BUSY", "TOO_LATE", "NO_SUCH_NAME",
    "NO_SUCH_KEY", "NO_ANSWER"];
integer MOST_CARD = 1500;      // letters of all that it sets, 3 KB
float ANSWER_SECONDS = 90.0;   // grids report a timeout after 60 s at most; the report itself may be lost
float FIRST_PAUSE = 2.0;       // seconds to wait if the grid's throttle refuses; doubled each time
float LONGEST_PAUSE = 64.0;    // Second Life permits requests again after 40 s without any
integer MOST_LETTERS = 127;    // a longer answer to a key is not a name

key asker = NULL_KEY;          // the avatar whose turn it is, or NULL_KEY
string wanted = "";            // the name or key to look up; "": not said yet
key request = NULL_KEY;        // the request under way; NULL_KEY: none
integer listener = 0;
float pause = 0.0;
integer crossed = FALSE;       // both addresses were asked what is looked up
integer is_stale = FALSE;      // the notecard may have changed: it is read after this turn

// >>> common: the same text in every script that asks the service.
integer SILENCES = 3;          // requests in a row without an answer: then the names of object, owner and region are suspected
integer WHILE = 600;           // seconds after which URL is asked again
integer ERRORS = 2;            // errors of the server in a row (500 and above), after which the other address is asked
integer MOST_ERRORS = 4;       // the same within a minute: the fifth makes Second Life refuse all requests of the script
integer MINUTE = 61;           // seconds: one more than a minute, since times are cut to whole seconds

integer silences = 0;          // how many there were
integer elsewhere = FALSE;     // SPARE is asked instead of URL
integer until = 0;             // Unix time from which on URL is asked again
integer in_a_row = 0;          // errors in a row
list errors = [];              // Unix times of the last errors, of both addresses
integer troubled = 0;          // addresses whose trouble the owner was told: bits 1 and 2, see here()

// A comparison of the line itself would always be true, or always false, and compilers warn about that.
integer is_filled_in(string setting)
{
    return setting != "";
}

string replaced(string text, string what, string by)
{
    return llDumpList2String(llParseStringKeepNulls(text, [what], []), by);
}

// The address that is asked, with a path, which begins with a slash.
string address(string path)
{
    if (llGetSubString(url(), -1, -1) == "/") return llDeleteSubString(url(), -1, -1) + path;
    return url() + path;
}

tell_owner(string text)
{
    llOwnerSay("n2k " + ME + ": " + text);
}

// For problems that only the owner can fix: an instant message if the owner is not in the region.
tell_owner_anywhere(string text)
{
    if (llGetAgentSize(llGetOwner()) != ZERO_VECTOR) tell_owner(text);
    else llInstantMessage(llGetOwner(), "n2k " + ME + " in " + llGetRegionName() + ": " + text);
}

// The bit of the address that is asked: 1 is URL, 2 is SPARE.
integer here()
{
    return 1 + elsewhere;
}

// The other address is the next one. From SPARE the script comes back after a while.
cross()
{
    elsewhere = !elsewhere;
    in_a_row = 0;
    until = llGetUnixTime() + WHILE;
}

// Counts a failure: an error of the server, or (0, 408, 499) no answer. Whether it is time to ask the other address.
integer is_lost(integer status)
{
    if (status < 500) return TRUE;
    if (llGetListLength(errors) >= MOST_ERRORS) errors = llDeleteSubList(errors, 0, 0);
    errors += [llGetUnixTime()];
    in_a_row = in_a_row + 1;
    return in_a_row >= ERRORS;
}

// Seconds until one more error would not be the fifth within a minute; 0 or less: now.
integer caution()
{
    if (llGetListLength(errors) < MOST_ERRORS) return 0;
    return llList2Integer(errors, 0) + MINUTE - llGetUnixTime();
}

// Tells of an address that fails once, until it answers again.
report(string text)
{
    if (!(troubled & here())) tell_owner(text);
    troubled = troubled | here();
}

// The address that was asked has answered.
answered()
{
    silences = 0;
    in_a_row = 0;
    if (!elsewhere && (troubled & 1) && is_filled_in(spare())) tell_owner(url() + " answers again.");
    troubled = troubled & ~here();
}

// OpenSimulator gives no key at all for an address that its filter refuses, and the null key when there are too many requests.
integer is_blocked(key request_id)
{
    return (string)request_id == "";
}

string blocked()
{
    return "this grid lets no script ask " + url() + ". Its operator can allow it: OpenSim.ini, section [Network], setting"
        + " OutboundDisallowForUserScriptsExcept";
}

// OpenSimulator sends these names with every request. With some letters the request fails: the status is 0, in newer versions
// 499. Every non-ASCII letter is suspected; escaped, it begins with C, D, E or F.
integer is_unsendable(integer status)
{
    string names = llGetObjectName() + llGetRegionName() + llKey2Name(llGetOwner());
    integer parts = llGetListLength(llParseStringKeepNulls(llEscapeURL(names), ["%C", "%D", "%E", "%F"], []));
    return status == 0 || (status == 499 && parts > 1);
}

suspect_names()
{
    silences = silences + 1;
    if (silences == SILENCES) tell_owner_anywhere("does the name of this object, its owner or the region have unusual letters?"
        + " Rename the object. Requests fail until then; the script keeps trying.");
}
// <<< common

// >>> card: the same text in every script that reads the notecard.
string CARD = "n2k";           // its name
integer MOST_LINE = 332;       // letters of a line in base64, 249 bytes in UTF-8: OpenSimulator cuts lines at 255
float LINE_SECONDS = 30.0;     // until a line that did not come is asked for again

integer reading = FALSE;       // its lines are still coming
integer line_at = 0;           // the one that is asked for; the first is 0
key line_query = NULL_KEY;
integer line_time = 0;         // Unix time when it was asked for
integer is_silent = FALSE;     // the owner was told that it does not come
integer faults = 0;            // lines that were not understood
list card_names = [];          // what the card sets
list card_texts = [];

// What the card says, or else the script's own text.
string chosen(string name, string text)
{
    integer at = llListFindList(card_names, [name]);
    if (at == -1 || reading) return text;
    return llList2String(card_texts, at);
}

forget_card()
{
    card_names = [];
    card_texts = [];
    reading = FALSE;
}

read_card()
{
    forget_card();
    faults = 0;
    line_at = 0;
    is_silent = FALSE;
    reading = llGetInventoryType(CARD) == INVENTORY_NOTECARD;
    if (reading) read_line();
}

read_line()
{
    line_time = llGetUnixTime();
    line_query = llGetNotecardLine(CARD, line_at);
}

// A line that did not come is asked for again: the grid loses some, and does not send a card that was never saved.
insist()
{
    if (llGetUnixTime() - line_time < (integer)LINE_SECONDS) return;
    if (!is_silent) tell_owner("the grid does not send the notecard " + CARD + ": was it ever saved? Nothing is done before.");
    is_silent = TRUE;
    read_line();
}

// A line has come. At the end of the card, or when it is refused, card_is_read() goes on, which every script has.
heard_line(key query, string text)
{
    if (!reading || query != line_query) return;
    if (text == EOF)
    {
        if (line_at == 0) tell_owner("the notecard " + CARD + " is empty, or something is embedded in it.");
        if (faults > 3) tell_owner("the notecard " + CARD + " has " + (string)(faults - 3) + " more faults.");
        reading = FALSE;
        card_is_read();
        return;
    }
    line_at = line_at + 1;
    string fault = fault_of(llStringTrim(text, STRING_TRIM));
    if (fault != "")
    {
        faults = faults + 1;
        if (faults <= 3 || !reading) tell_owner("line " + (string)line_at + " of the notecard " + CARD + ": " + fault);
    }
    if (reading) read_line();
    else card_is_read();
}

// Takes a line, NAME = value, or touch.NAME = value for one script. Returns what is wrong with it, or "".
string fault_of(string line)
{
    if (line == "" || llGetSubString(line, 0, 0) == "#") return "";
    integer sign = llSubStringIndex(line, "=");
    if (sign < 1) return "it is not NAME = value.";
    if (llStringLength(llStringToBase64(line)) > MOST_LINE) return "it is longer than 249 bytes. Split it: use its name twice.";
    string name = llToUpper(llStringTrim(llGetSubString(line, 0, sign - 1), STRING_TRIM));
    string value = llStringTrim(llDeleteSubString(line, 0, sign), STRING_TRIM);
    integer dot = llSubStringIndex(name, ".");
    if (dot > 0)
    {
        string whose = llToLower(llGetSubString(name, 0, dot - 1));
        name = llDeleteSubString(name, 0, dot);
        if (llListFindList(["query", "touch", "gate", "sensor", "seat", "greeter", "resolver", "forget", "visitors"],
            [whose]) == -1) return "no script that reads this card is called " + whose + ".";
        if (whose != ME) return "";
    }
    if (llListFindList(CARD_NAMES, [name]) != -1) return put(name, value);
    if (llListFindList(["URL", "SPARE", "TOKEN", "SPARE_TOKEN"], [name]) != -1)
    {
        forget_card();
        return name + ": the whole card is refused. Addresses and tokens are taken from the script only, because a card with"
            + " another address would be sent the token.";
    }
    if (dot == -1 && llListFindList(["GRID", "CHANNEL", "REGISTERED", "REFUSED", "TOO_MANY", "OUT_OF_ORDER", "EXPLANATION",
        "STILL_LOOKING", "BUSY", "TOO_LATE", "NO_SUCH_NAME", "NO_SUCH_KEY", "NO_ANSWER", "QUESTION", "SECOND_QUESTION", "NOTED",
        "ON_ITS_WAY", "DONE", "NOT_DONE"], [name]) != -1) return "";
    return "this script has no " + name + ".";
}

// Keeps what a line sets. A text that needs several lines has its name in each.
string put(string name, string value)
{
    integer at = llListFindList(card_names, [name]);
    integer is_text = llListFindList(["URL", "SPARE", "GRID", "CHANNEL"], [name]) == -1;
    if (at != -1 && !is_text) return name + " is set twice.";
    if (name == "CHANNEL" && (string)((integer)value) != value) return "CHANNEL must be a number.";
    if ((name == "URL" || name == "SPARE") && llSubStringIndex(value, "http") != 0) return name + " must be an address.";
    if (llStringLength(value + (string)card_texts) > MOST_CARD)
        return "the card is too long: it may set " + (string)MOST_CARD + " letters.";
    if (at != -1) card_texts = llListReplaceList(card_texts, [llList2String(card_texts, at) + " " + value], at, at);
    else
    {
        card_names += [name];
        card_texts += [value];
    }
    return "";
}
// <<< card

string url()
{
    if (elsewhere) return spare();
    return chosen("URL", URL);
}

string spare()
{
    return chosen("SPARE", SPARE);
}

integer on_channel()
{
    return (integer)chosen("CHANNEL", (string)CHANNEL);
}

// Says one of the texts, unless it is empty.
tell(key whom, string text)
{
    text = replaced(replaced(text, "{channel}", (string)on_channel()), "{asked}", wanted);
    if (text != "") llRegionSayTo(whom, 0, text);
}

// Nobody has a turn until the notecard is read.
look_at_card()
{
    is_stale = FALSE;
    read_card();
    if (reading) llSetTimerEvent(LINE_SECONDS);
}

card_is_read()
{
    llSetTimerEvent(0.0);
    if (elsewhere && spare() == "") cross();
}

end_turn()
{
    llSetTimerEvent(0.0);
    llListenRemove(listener);
    asker = NULL_KEY;
    wanted = "";
    request = NULL_KEY;
    if (is_stale) look_at_card();
}

answer(string text)
{
    tell(asker, text);
    end_turn();
}

fail(string why)
{
    tell_owner(why);
    answer(chosen("NO_ANSWER", NO_ANSWER));
}

// No answer, or an error of the server. If there is another address, the question is asked again: here, or there if this one
// is lost. After both are, there is no answer this time.
failed(integer status, string why)
{
    integer is_over = is_lost(status);
    request = NULL_KEY;
    if (spare() == "" || (is_over && crossed)) fail(why);
    else
    {
        if (is_over) report(why + ". Asking the other address for a while");
        llSetTimerEvent(FIRST_PAUSE);
    }
    if (!is_over || spare() == "") return;
    crossed = TRUE;
    cross();
}

// The first line of a server's message, short enough for chat.
string line(string body)
{
    return llGetSubString(llList2String(llParseString2List(body, ["\n"], []), 0), 0, 199);
}

listen_to(key avatar)
{
    asker = avatar;
    llListenRemove(listener);
    listener = llListen(on_channel(), "", asker, "");
    llSetTimerEvent(LISTEN_SECONDS);
    tell(asker, chosen("EXPLANATION", EXPLANATION));
}

touched_by(key avatar)
{
    if (!reading && (asker == NULL_KEY || (avatar == asker && wanted == ""))) listen_to(avatar);
    else if (avatar == asker) tell(avatar, chosen("STILL_LOOKING", STILL_LOOKING));
    else tell(avatar, chosen("BUSY", BUSY));
}

integer is_key(string text)
{
    if ((key)text) return TRUE;
    return text == NULL_KEY;
}

ask()
{
    if (elsewhere && llGetUnixTime() >= until) cross();
    if (caution() > 0)
    {
        fail("the service is in trouble: four errors within a minute. It is not asked for a while");
        return;
    }
    string path = "/?name=";
    if (is_key(wanted)) path = "/?key=";
    path += llEscapeURL(wanted);
    string grid = chosen("GRID", GRID);
    if (grid != "") path += "&grid=" + llEscapeURL(grid);
    request = llHTTPRequest(address(path), [HTTP_METHOD, "GET", HTTP_VERBOSE_THROTTLE, FALSE], "");
    if (is_blocked(request)) fail(blocked());
    else if (request != NULL_KEY) llSetTimerEvent(ANSWER_SECONDS);
    else if (pause > LONGEST_PAUSE) fail("the grid's throttle lets no request out. Are other scripts of yours sending too many?");
    else
    {
        llSetTimerEvent(pause);
        pause = pause * 2.0;
    }
}

// One line, not a page.
integer is_name(string text)
{
    return llStringLength(text) <= MOST_LETTERS && line(text) == text && llGetSubString(text, 0, 0) != "<";
}

// A name is answered with a key, and a key with a name; the page of another server is neither.
found(string body)
{
    integer has_name = !is_key(wanted);
    if (has_name && body == NULL_KEY) answer(chosen("NO_SUCH_NAME", NO_SUCH_NAME));
    else if (!has_name && body == "") answer(chosen("NO_SUCH_KEY", NO_SUCH_KEY));
    else if ((has_name && is_key(body)) || (!has_name && is_name(body))) answer(wanted + ": " + body);
    else fail("this is not an n2k service: " + url() + " (it says: " + line(body) + ")");
}

// No answer.
unanswered(integer status)
{
    failed(status, "no answer from " + url() + ": no connection, a time-out or a bad certificate");
    if (is_unsendable(status)) suspect_names();
}

default
{
    state_entry()
    {
        look_at_card();
    }

    touch_start(integer count)
    {
        integer i;
        for (i = 0; i < count; ++i) touched_by(llDetectedKey(i));
    }

    listen(integer channel, string name, key id, string message)
    {
        string said = llStringTrim(message, STRING_TRIM);
        if (said == "") return;
        wanted = said;
        llListenRemove(listener);
        pause = FIRST_PAUSE;
        crossed = FALSE;
        ask();
    }

    timer()
    {
        if (reading) insist();
        else if (wanted == "") answer(chosen("TOO_LATE", TOO_LATE));
        else if (request == NULL_KEY) ask();
        else failed(0, "no answer came from " + url());
    }

    // Every script in a prim gets the answers to all scripts: only ours counts.
    http_response(key id, integer status, list metadata, string body)
    {
        if (id != request || request == NULL_KEY) return;
        if (status != 0 && status < 499 && status != 408) answered();
        if (status == 200) found(body);
        else if (status == 0 || status == 499 || status == 408) unanswered(status);
        else if (status == 429) fail("asked too often, try later (429): " + line(body));
        else if (status >= 500) failed(status, "the service is in trouble (" + (string)status + "): " + line(body));
        else fail("the service refuses (" + (string)status + "): " + line(body));
    }

    // A restarted region loses pending answers, so do not wait for one.
    changed(integer change)
    {
        if (change & (CHANGED_OWNER | CHANGED_REGION_START)) llResetScript();
        if (!(change & CHANGED_INVENTORY)) return;
        if (asker == NULL_KEY) look_at_card();
        else is_stale = TRUE;
    }

    dataserver(key query, string text)
    {
        heard_line(query, text);
    }

    on_rez(integer parameter)
    {
        llResetScript();
    }
}
