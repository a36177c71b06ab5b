// visitors.lsl: counts how often avatars come to its parcel, and keeps the counts in the key-value service.
// Version 0.1.0. MIT licence. For Second Life (Mono) and OpenSimulator.
// It needs keyvalue.lsl in the same object. It keeps the key of each avatar and a number, nothing else. Touch the object to
// list, remove or reset them: only its owner can. When an avatar asks to be forgotten, remove it here too.

// Yours to change.
string NAME = "visits";        // counters with this name share their counts, if their keyvalue.lsl has the same namespace
integer PLACE = AGENT_LIST_PARCEL;  // or AGENT_LIST_REGION
float EVERY = 10.0;            // seconds between looks
integer AWAY = 600;            // seconds after which an avatar that comes back has come again
integer CHANNEL = 6;           // the channel of the owner's commands

// ------------------------------ Nothing below needs changing. ------------------------------

string ME = "visitors";
list CARD_NAMES = ["CHANNEL"];  // what the notecard may set
integer MOST_CARD = 100;       // letters of all that it sets
string NO_ANSWER = "keyvalue.lsl does not answer: is it in this object?";

integer NO_NPC = 0x4000000;    // OpenSimulator's AGENT_LIST_EXCLUDENPC, which Second Life does not know
integer MOST_HERE = 100;       // avatars to remember, some 10 KB; no list of the grids is longer
integer MOST_UNCOUNTED = 50;   // visits that wait for the service, some 10 KB
integer AT_ONCE = 8;           // calls at a time, lines of a message to the owner: it has 1,024 bytes at most
integer PATIENCE = 1200;       // seconds until a call without an answer is made again: keyvalue.lsl takes less
integer TASK_PATIENCE = 180;   // the same for a command of the owner, who waits
integer TIME_TO_SAY = 60;      // seconds to say a command

list here = [];                // key and Unix time when it was seen last: of each avatar that is here, or was shortly before
integer is_new = TRUE;         // nobody has been seen yet: who is here has not just come
list uncounted = [];           // key, id of the call ("": none), its Unix time: of visits that are not counted yet
string last_error = "";        // the error that the owner was told last

integer listener = 0;
integer listening = 0;         // Unix time when the listener ends; 0: there is none
string task = "";              // the owner's command that is carried out; "": none
integer since = 0;             // Unix time of its last answer
string confirmed = "";         // a command that the owner may repeat to confirm it
integer done = 0;              // avatars listed or removed
integer visits = 0;            // of those
key question = NULL_KEY;       // the call for a page of keys
list answers = [];             // key, id of the call: of each avatar on the page whose answer is awaited
string lines = "";             // of the page
string failure = "";           // the error about an avatar on the page; "": none

// >>> calling: the same text as in docs/lsl.md.
integer KV_CALL = 7221867;     // numbers of link messages to and from keyvalue.lsl
integer KV_REPLY = 7221868;

// Calls keyvalue.lsl and returns the id that its answer will have. Each text is preceded by its length and a colon.
key kvCall(list texts)
{
    key id = llGenerateKey();
    string message = "";
    integer i;
    for (i = 0; i < llGetListLength(texts); ++i)
    {
        string text = llList2String(texts, i);
        message += (string)llStringLength(text) + ":" + text;
    }
    llMessageLinked(LINK_SET, KV_CALL, message, id);
    return id;
}
// <<< calling

tell_owner(string text)
{
    llOwnerSay("n2k " + ME + ": " + text);
}

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

card_is_read()
{
    llSetTimerEvent(EVERY);
}

// An answer to the owner's command.
report(string text)
{
    tell_owner(text);
}

// Trouble is reported once, not with every visit.
complain(string text)
{
    if (text != last_error) report(text);
    last_error = text;
}

look()
{
    integer now = llGetUnixTime();
    list agents = llGetAgentList(PLACE | NO_NPC, []);
    if (llList2String(agents, 0) == "INVALID_SCOPE") agents = llGetAgentList(PLACE, []);
    integer i;
    for (i = 0; i < llGetListLength(agents); ++i)
    {
        string who = llList2String(agents, i);
        integer at = llListFindList(here, [who]);
        if (at != -1) here = llListReplaceList(here, [now], at + 1, at + 1);
        else arrived(who, now);
    }
    for (i = llGetListLength(here) - 2; i >= 0; i -= 2)
    {
        if (now - llList2Integer(here, i + 1) > AWAY) here = llDeleteSubList(here, i, i + 1);
    }
    is_new = FALSE;
}

arrived(string who, integer now)
{
    while (llGetListLength(here) >= MOST_HERE * 2) here = llDeleteSubList(here, 0, 1);
    here += [who, now];
    if (is_new) return;
    if (llGetListLength(uncounted) < MOST_UNCOUNTED * 3) uncounted += [who, "", 0];
    else complain("too many visits wait for the service: some are not counted");
}

// Calls for visits that are not counted yet.
count_visits()
{
    integer now = llGetUnixTime();
    integer called = 0;
    integer i;
    for (i = 0; i < llGetListLength(uncounted) && called < AT_ONCE; i += 3)
    {
        integer is_late = now - llList2Integer(uncounted, i + 2) > PATIENCE;
        if (is_late && llList2String(uncounted, i + 1) != "") complain(NO_ANSWER);
        if (is_late || llList2String(uncounted, i + 1) == "")
        {
            key id = kvCall(["increment", NAME + "/" + llList2String(uncounted, i), "1"]);
            uncounted = llListReplaceList(uncounted, [(string)id, now], i + 1, i + 2);
            ++called;
        }
    }
}

// 1: too many calls wait. 12, 13: the service is out of reach. Such a visit is counted later.
counted(integer at, string answer)
{
    integer error = (integer)llGetSubString(answer, 2, -1);
    if (llGetSubString(answer, 0, 0) == "1")
    {
        last_error = "";
        uncounted = llDeleteSubList(uncounted, at - 1, at + 1);
    }
    else if (error == 1 || error == 12 || error == 13) uncounted = llListReplaceList(uncounted, [""], at, at);
    else
    {
        uncounted = llDeleteSubList(uncounted, at - 1, at + 1);
        complain("a visit was not counted: error " + (string)error);
    }
}

listen_to_owner()
{
    llListenRemove(listener);
    string channel = chosen("CHANNEL", (string)CHANNEL);
    listener = llListen((integer)channel, "", llGetOwner(), "");
    listening = llGetUnixTime() + TIME_TO_SAY;
    confirmed = "";
    string say = "/" + channel + " ";
    report("say " + say + "list, " + say + "remove KEY, or " + say + "reset, within a minute. Visits to be counted: "
        + (string)(llGetListLength(uncounted) / 3));
}

// A page of keys: the next one of a list, and always the first one for a reset.
ask_page()
{
    integer first = 0;
    if (task == "list") first = done;
    lines = "";
    failure = "";
    question = kvCall(["keys", first, AT_ONCE, NAME + "/"]);
}

begin(string command)
{
    task = command;
    since = llGetUnixTime();
    confirmed = "";
    done = 0;
    visits = 0;
    if (task == "remove") failure = "";
    else ask_page();
}

remove(string who)
{
    begin("remove");
    answers = [who, (string)kvCall(["remove", NAME + "/" + who])];
}

end(string text)
{
    task = "";
    question = NULL_KEY;
    answers = [];
    report(text);
}

commanded(string text)
{
    string command = llToLower(llStringTrim(text, STRING_TRIM));
    string who = llStringTrim(llDeleteSubString(command, 0, 6), STRING_TRIM);
    if (task != "") report("one moment, please: " + task + " is not done yet");
    else if (command == "list") begin(command);
    else if (command == "reset" && confirmed == command) begin(command);
    else if (command == "reset")
    {
        confirmed = command;
        report("say reset once more: all counts of " + NAME + " will be removed");
    }
    else if (llSubStringIndex(command, "remove ") == 0 && is_key(who)) remove(who);
    else report("that is no command, or no avatar's key: " + text);
}

integer is_key(string text)
{
    if ((key)text) return TRUE;
    return FALSE;
}

// The keys of a page, or the end.
paged(string answer)
{
    question = NULL_KEY;
    since = llGetUnixTime();
    integer is_end = answer == "0,14";
    if (is_end && task == "list") end((string)done + " avatars, " + (string)visits + " visits");
    else if (is_end) end("removed: " + (string)done);
    else if (llGetSubString(answer, 0, 0) == "0") end("the service does not answer, try again later: error " + answer);
    else
    {
        list keys = llParseString2List(llGetSubString(answer, 2, -1), [","], []);
        integer i;
        string function = "read";
        if (task == "reset") function = "remove";
        for (i = 0; i < llGetListLength(keys); ++i)
        {
            string who = llGetSubString(llList2String(keys, i), llStringLength(NAME) + 1, -1);
            answers += [who, (string)kvCall([function, llList2String(keys, i)])];
        }
    }
}

// The answer about one avatar; after the last one comes the next page.
answered(integer at, string answer)
{
    string who = llList2String(answers, at - 1);
    answers = llDeleteSubList(answers, at - 1, at);
    integer is_good = llGetSubString(answer, 0, 0) == "1";
    string count = llGetSubString(answer, 2, -1);
    since = llGetUnixTime();
    if (is_good || answer == "0,14") ++done;
    else failure = answer;
    if (task == "list" && is_good)
    {
        visits = visits + (integer)count;
        lines += "\n" + count + " secondlife:///app/agent/" + who + "/about " + who;
    }
    if (llGetListLength(answers) > 0) return;
    if (lines != "") report(lines);
    if (task == "remove" && answer == "0,14") end(who + " is not counted here");
    else if (failure != "") end("the service does not answer, try again later: error " + failure);
    else if (task == "remove") end("removed: " + who);
    else ask_page();
}

default
{
    state_entry()
    {
        read_card();
        look();
        llSetTimerEvent(EVERY);
    }

    timer()
    {
        if (reading) insist();
        look();
        count_visits();
        if (task != "" && llGetUnixTime() - since > TASK_PATIENCE) end(NO_ANSWER);
        if (listening == 0 || llGetUnixTime() < listening) return;
        llListenRemove(listener);
        listening = 0;
        confirmed = "";
    }

    link_message(integer link, integer number, string answer, key id)
    {
        if (number != KV_REPLY) return;
        integer at = llListFindList(uncounted, [(string)id]);
        if (at != -1) counted(at, answer);
        else if (id == question) paged(answer);
        else
        {
            at = llListFindList(answers, [(string)id]);
            if (at != -1) answered(at, answer);
        }
    }

    touch_start(integer count)
    {
        integer i;
        for (i = 0; i < count; ++i)
        {
            if (llDetectedKey(i) == llGetOwner()) listen_to_owner();
        }
    }

    dataserver(key query, string text)
    {
        heard_line(query, text);
    }

    listen(integer channel, string name, key id, string message)
    {
        commanded(message);
    }

    changed(integer change)
    {
        if (change & CHANGED_OWNER) llResetScript();
        if (change & (CHANGED_INVENTORY | CHANGED_REGION_START)) read_card();
    }

    on_rez(integer parameter)
    {
        llResetScript();
    }
}
