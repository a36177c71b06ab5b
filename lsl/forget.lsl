// forget.lsl: removes an avatar that touches this object, and confirms it twice, from the directory.
// Version 0.1.0. MIT licence. For Second Life (Mono) and OpenSimulator.
// For the owner of the service. A touch identifies the avatar, and needs no listener: no avatar can answer for another,
// and several may be asked at once. Errors are reported to the owner of this object.

// "n2k lsl forget" fills these lines in.
// URL: the root address of your n2k service, without any "?".
// TOKEN: one that may forget.
// SPARE, SPARE_TOKEN: the same of a second one, which is asked while the first one does not answer; "": there is none.
string URL = "https://example.com/n2k/";
string TOKEN = "";
string SPARE = "";
string SPARE_TOKEN = "";

// Messages to avatars, sentence by sentence; {url} is URL. Empty texts are not said.
list QUESTION = [
    "This takes your name and key out of the directory at {url}: objects that ask it will not find you any more.",
    "If you want that, touch again within a minute. If not, do nothing."];
list SECOND_QUESTION = [
    "Are you sure? Only the owner of the directory can undo it.",
    "Touch once more within a minute to be taken out. If not, do nothing."];
list NOTED = [
    "Noted. It takes some seconds, longer when the directory does not answer; a message will tell you when it is done.",
    "If you hear nothing within an hour, please touch again."];
list ON_ITS_WAY = ["Your wish is on its way. You will get a message when it is done."];
list DONE = [
    "Done. The directory at {url} answers neither to your name nor to your key any more, from this moment on,",
    "and takes no registration of you."];
list NOT_DONE = ["You are still in the directory: it did not answer for a long time. Please touch again later."];
list REFUSED = ["You could not be removed from the directory, sorry. The owner of the object was told why."];
list TOO_MANY = ["Too many are waiting. Please touch again later."];
list OUT_OF_ORDER = ["This is out of order, sorry. Its owner was told."];

// ------------------------------ Nothing below needs changing. ------------------------------

string ME = "forget";
// What the notecard may set.
list CARD_NAMES = ["QUESTION", "SECOND_QUESTION", "NOTED", "ON_ITS_WAY", "DONE", "NOT_DONE", "REFUSED", "TOO_MANY",
    "OUT_OF_ORDER"];
integer MOST_CARD = 2000;      // letters of all that it sets, 4 KB
integer QUICK = 2;             // seconds: a touch sooner after a question does not count, it cannot have been read
integer TIME_TO_THINK = 60;    // seconds until a question expires
integer MOST_ASKED = 20;       // avatars with an open question at the same time, 5 KB

list thinking = [];            // key, number of touches, Unix time of the last question: of each avatar
list halves = [];              // key and address: of waiting avatars that one of two directories has taken out already
integer current = 0;           // the avatar of the current request

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

// >>> limits: the same text in every script whose requests are about avatars.
float PACE = 2.0;              // seconds between requests; grids permit 25 in 20 s, or one per second
float LONGEST_PAUSE = 300.0;   // the longest pause: it doubles while the service or the grid refuses
integer MOST_TRIES = 10;       // failures in a row, about 20 minutes, after which a request is dropped
integer MOST_ANSWER = 2048;    // bytes that are kept of an answer: what grids keep by default
integer MOST_WAITING = 50;     // avatars in the queue, at most some 15 KB of a script's 64

list queue = [];               // key, name, key, name ... of waiting avatars, oldest first

integer waiting()
{
    return llGetListLength(queue) / 2;
}
// <<< limits

// >>> asking: the same text in every script that holds a token.
// One request at a time; its answer, or its timeout, decides when the next one is sent. The request is made by
// next(), its answer is handled by took(), turned_down() and give_up(); every script has its own, and says with is_refusal()
// what is turned down.
float ANSWER_SECONDS = 90.0;   // grids report a timeout after 60 s at most; the report itself may be lost

integer wrong = 0;             // addresses that only the owner can mend: bits as in here()
integer crossings = 0;         // how often the other address was the next one since a service decided
string asked = "";             // the path of the last request
key request = NULL_KEY;        // the request under way; NULL_KEY: none
integer armed = FALSE;         // the timer runs: a timeout, or the pause before the next request
integer stopped = FALSE;       // something must be fixed before another request makes sense
integer tries = 0;             // failures in a row
float pause = 0.0;             // seconds, doubled by every failure; 0: the last request did not fail

string url()
{
    if (elsewhere) return SPARE;
    return URL;
}

string spare()
{
    return SPARE;
}

string token()
{
    if (elsewhere) return SPARE_TOKEN;
    return TOKEN;
}

integer has_other()
{
    return is_filled_in(SPARE) && !(wrong & (3 - here()));
}

// The next request; to URL again when it is time.
proceed()
{
    if (elsewhere && has_other() && llGetUnixTime() >= until) cross();
    next();
}

arm(float seconds)
{
    armed = (seconds > 0.0);
    llSetTimerEvent(seconds);
}

go()
{
    if (!armed && !stopped) proceed();
}

// A complete JSON object. A truncated one has lost its last brace, and grids parse it differently.
integer is_object(string text)
{
    return llGetSubString(text, 0, 0) == "{" && llGetSubString(text, -1, -1) == "}";
}

// The message of a server, short enough for chat: the service's error, or the first line of another server's page.
string said(string body)
{
    string word = JSON_INVALID;
    if (is_object(body)) word = llJsonGetValue(body, ["error"]);
    if (word == JSON_INVALID) word = llList2String(llParseString2List(body, ["\n"], []), 0);
    return llGetSubString(word, 0, 199);
}

ask(string method, string path, string body)
{
    request = NULL_KEY;
    integer wait = caution();
    if (wait > 0)
    {
        arm((float)wait);
        return;
    }
    list options = [HTTP_METHOD, method, HTTP_MIMETYPE, "application/json;charset=utf-8", HTTP_VERBOSE_THROTTLE, FALSE,
        HTTP_BODY_MAXLENGTH, MOST_ANSWER];
    if (is_filled_in(token())) options += [HTTP_CUSTOM_HEADER, "X-N2K-Token", token()];
    asked = path;
    key id = llHTTPRequest(address(path), options, body);
    if (id)
    {
        request = id;
        arm(ANSWER_SECONDS);
    }
    else if (is_blocked(id)) stop(blocked());
    else later("the grid's throttle lets no request out");
}

// The service decided: the next request may be sent.
settled()
{
    tries = 0;
    crossings = 0;
    pause = 0.0;
    if (!stopped) answered();
    arm(PACE);
}

// No decision: retry after a pause that doubles.
later(string why)
{
    report(why + ". Trying again by and by; waiting: " + (string)waiting());
    back_off(why);
}

// No answer, or an error of the server: if there is another address, that is asked, at once unless it has failed too.
failed(integer status, string why)
{
    if (!is_lost(status) || !has_other())
    {
        later(why);
        return;
    }
    report(why + ". Asking the other address for a while; waiting: " + (string)waiting());
    cross();
    crossings = crossings + 1;
    if (crossings == 1) arm(PACE);
    else back_off(why);
}

back_off(string why)
{
    if (pause == 0.0) pause = PACE;
    tries = tries + 1;
    if (tries >= MOST_TRIES)
    {
        tries = 0;
        give_up(why);
    }
    pause = pause * 2.0;
    if (pause > LONGEST_PAUSE) pause = LONGEST_PAUSE;
    arm(pause);
}

cut()
{
    later("the answer of " + url() + " was truncated, or did not come from an n2k service");
}

// Only the owner can help: one message, then no more requests to this address.
stop(string why)
{
    wrong = wrong | here();
    if (has_other())
    {
        tell_owner_anywhere(url() + " is not asked any more: " + why + ". Fix it, then touch me or reset me");
        cross();
        arm(PACE);
        return;
    }
    stopped = TRUE;
    arm(0.0);
    tell_owner_anywhere("stopped: " + why + ". Fix it, then touch me or reset me; waiting: " + (string)waiting());
}

heard(integer status, string text)
{
    string body = llStringTrim(text, STRING_TRIM);
    request = NULL_KEY;
    if (status == 200 && is_object(body)) took(body);
    else if (status == 200 && llGetSubString(body, 0, 0) == "{") cut();
    else if (is_refusal(status)) turned_down(status, body);
    else if (status == 0 || status == 499 || status == 408) unanswered(status);
    else if (status == 429) later("asked too often (429): " + said(body));
    else if (status >= 500) failed(status, "the service is in trouble (" + (string)status + "): " + said(body));
    else if (status == 401 || status == 403) stop("the token is wrong (" + (string)status + "): " + said(body));
    else stop(url() + " is not an n2k service (" + (string)status + "): " + said(body));
}

time_is_up()
{
    if (request == NULL_KEY)
    {
        proceed();
        return;
    }
    request = NULL_KEY;
    failed(0, "no answer came from " + url());
}

touched_by_owner(integer count)
{
    integer i;
    for (i = 0; i < count; ++i)
    {
        if (wrong != 0 && llDetectedKey(i) == llGetOwner())
        {
            tell_owner("going on.");
            if (stopped) settled();
            stopped = FALSE;
            wrong = 0;
            until = 0;
        }
    }
}

// A new owner resets the script. A restarted region has lost the pending answer: the retry is idempotent. What
// had stopped the script may be fixed by the restart, for example by changed settings of the grid.
lived_through(integer change)
{
    if (change & CHANGED_OWNER) llResetScript();
    if (!(change & CHANGED_REGION_START)) return;
    if (stopped) settled();
    stopped = FALSE;
    wrong = 0;
    until = 0;
    request = NULL_KEY;
    if (armed) arm(PACE);
}
// <<< asking

// >>> decided: the same text in every script whose requests are about avatars.
// Whether the service refused what was sent, and will refuse it again.
integer is_refusal(integer status)
{
    return status == 400 || status == 409 || status == 413;
}

// No avatar is dropped while names may be the reason: the queue waits until they are changed.
unanswered(integer status)
{
    integer names = is_unsendable(status);
    if (names) tries = 0;
    failed(status, "no answer from " + url() + ": no connection, a time-out or a bad certificate");
    if (names) suspect_names();
}

// Nothing is sent until the notecard is read: it may name the grid.
look_at_card()
{
    read_card();
    if (reading && request == NULL_KEY && !stopped) arm(LINE_SECONDS);
}

integer is_reading()
{
    if (!reading) return FALSE;
    insist();
    arm(LINE_SECONDS);
    return TRUE;
}

card_is_read()
{
    if (request == NULL_KEY && !stopped) arm(PACE);
}

noticed(integer change)
{
    lived_through(change);
    if (change & (CHANGED_INVENTORY | CHANGED_REGION_START)) look_at_card();
}
// <<< decided

string sentences(string name, list text)
{
    return replaced(chosen(name, llDumpList2String(text, " ")), "{url}", URL);
}

tell(key who, string text)
{
    if (text != "") llRegionSayTo(who, 0, text);
}

// The first avatar that this address has not taken out yet; -1: none.
integer next_here()
{
    integer i;
    for (i = 0; i < waiting(); ++i)
    {
        integer half = llListFindList(halves, [llList2String(queue, i * 2)]);
        if (half == -1 || llList2Integer(halves, half + 1) != here()) return i;
    }
    return -1;
}

// With two addresses both directories are asked, each when it answers: an avatar is out when it is out of both.
next()
{
    if (is_reading()) return;
    current = next_here();
    if (current == -1 && waiting() > 0 && has_other())
    {
        cross();
        current = next_here();
    }
    if (current == -1) arm(0.0);
    else ask("POST", "/api/v1/forgotten", "{\"key\":\"" + llList2String(queue, current * 2) + "\"}");
}

// By instant message, which arrives wherever the avatar is by then.
done_with(string text)
{
    key who = llList2Key(queue, current * 2);
    integer half = llListFindList(halves, [(string)who]);
    queue = llDeleteSubList(queue, current * 2, current * 2 + 1);
    if (half != -1) halves = llDeleteSubList(halves, half, half + 1);
    if (text != "") llInstantMessage(who, text);
}

took(string body)
{
    if (llJsonGetValue(body, ["forgotten"]) != JSON_TRUE)
    {
        cut();
        return;
    }
    settled();
    string who = llList2String(queue, current * 2);
    if (is_filled_in(SPARE) && llListFindList(halves, [who]) == -1) halves += [who, here()];
    else done_with(sentences("DONE", DONE));
}

turned_down(integer status, string body)
{
    tell_owner(llList2String(queue, current * 2 + 1) + " was not taken out (" + (string)status + "): " + said(body));
    settled();
    done_with(sentences("REFUSED", REFUSED));
}

// Who is out of one directory waits until the other one answers.
give_up(string why)
{
    if (llListFindList(halves, [llList2String(queue, current * 2)]) != -1) return;
    tell_owner("gave up on " + llList2String(queue, current * 2 + 1) + ": " + why);
    done_with(sentences("NOT_DONE", NOT_DONE));
}

ask_avatar(key who, integer times, string text)
{
    if (llGetListLength(thinking) >= MOST_ASKED * 3) thinking = llDeleteSubList(thinking, 0, 2);
    thinking += [(string)who, times, llGetUnixTime()];
    tell(who, text);
}

// The key comes with the touch, and identifies everything that is remembered.
touched_by(key who, string name)
{
    if (llListFindList(queue, [(string)who]) != -1)
    {
        tell(who, sentences("ON_ITS_WAY", ON_ITS_WAY));
        return;
    }
    integer times = 0;
    integer at = llListFindList(thinking, [(string)who]);
    if (at != -1)
    {
        integer since = llGetUnixTime() - llList2Integer(thinking, at + 2);
        if (since < QUICK) return;
        if (since <= TIME_TO_THINK) times = llList2Integer(thinking, at + 1);
        thinking = llDeleteSubList(thinking, at, at + 2);
    }
    if (times == 0) ask_avatar(who, 1, sentences("QUESTION", QUESTION));
    else if (times == 1) ask_avatar(who, 2, sentences("SECOND_QUESTION", SECOND_QUESTION));
    else if (waiting() >= MOST_WAITING) tell(who, sentences("TOO_MANY", TOO_MANY));
    else
    {
        queue += [(string)who, name];
        tell(who, sentences("NOTED", NOTED));
    }
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
        touched_by_owner(count);
        for (i = 0; i < count; ++i)
        {
            if (stopped) tell(llDetectedKey(i), sentences("OUT_OF_ORDER", OUT_OF_ORDER));
            else touched_by(llDetectedKey(i), llDetectedName(i));
        }
        go();
    }

    changed(integer change)
    {
        noticed(change);
    }

    dataserver(key query, string text)
    {
        heard_line(query, text);
    }

    // >>> events: the same text in every script that holds a token.
    timer()
    {
        time_is_up();
    }

    // Every script in a prim gets the answers to all scripts: only ours counts.
    http_response(key id, integer status, list metadata, string body)
    {
        if (request != NULL_KEY && id == request) heard(status, body);
    }

    on_rez(integer parameter)
    {
        llResetScript();
    }
    // <<< events
}
