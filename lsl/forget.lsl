// forget.lsl: takes an avatar that touches this object, and confirms it twice, out of the directory.
// For the owner of the service. A touch says by itself whose it is, and needs no listener: no avatar can answer for another,
// and several may be asked at once. Errors are told to the owner of this object.
// MIT licence. For Second Life (Mono) and OpenSimulator.

// "n2k lsl forget" fills these two lines in. URL: the root address of your n2k service, without any "?". TOKEN: one that may
// forget.
string URL = "https://www.example.org/dispatch.fcgi";
string TOKEN = "";

string ME = "forget";
integer QUICK = 2;             // seconds: a touch sooner after a question is no answer to it, nobody can have read it
integer TIME_TO_THINK = 60;    // seconds until a question is void
integer MOST_ASKED = 20;       // avatars that think at the same time, 5 KB

list thinking = [];            // key, how often asked, unix time of the last question: of each

// >>> asking: the same text in every script that holds a token.
// One request at a time goes out; its answer, or that there is none, decides when the next one may. What to ask is said by
// next(), what an answer means by took(), turned_down() and give_up(), which every script has its own of.
float PACE = 2.0;              // seconds between requests; grids allow 25 in 20 s, or one a second
float LONGEST_PAUSE = 300.0;   // while the service or the grid refuses, the pause doubles up to this
float ANSWER_SECONDS = 90.0;   // grids report a time-out after 60 s at most; the report itself may be lost
integer MOST_WAITING = 50;     // avatars in the queue, some 15 KB of a script's 64 at the very most
integer MOST_TRIES = 10;       // failures in a row, about 20 minutes, and what was asked is given up

list queue = [];               // key, name, key, name ... of who waits, the oldest first
string asked = "";             // the path of the last request
key request = NULL_KEY;        // the request under way; NULL_KEY: none
integer armed = FALSE;         // the timer runs: for an answer, or for the pause before the next request
integer stopped = FALSE;       // something must be mended before another request makes sense
integer tries = 0;             // failures in a row
float pause = 2.0;             // PACE, doubled by every failure

integer waiting()
{
    return llGetListLength(queue) / 2;
}

arm(float seconds)
{
    armed = (seconds > 0.0);
    llSetTimerEvent(seconds);
}

go()
{
    if (!armed && !stopped) next();
}

tell_owner(string text)
{
    llOwnerSay("n2k " + ME + ": " + text);
}

// A whole JSON object. One that was cut has lost its last brace, and grids differ in what they make of it.
integer is_object(string text)
{
    return llGetSubString(text, 0, 0) == "{" && llGetSubString(text, -1, -1) == "}";
}

// What a server said, short enough for chat: the service's own word, or the first line of somebody else's page.
string said(string body)
{
    string word = JSON_INVALID;
    if (is_object(body)) word = llJsonGetValue(body, ["error"]);
    if (word == JSON_INVALID) word = llList2String(llParseString2List(body, ["\n"], []), 0);
    return llGetSubString(word, 0, 199);
}

ask(string method, string path, string body)
{
    string root = URL;
    if (llGetSubString(root, -1, -1) == "/") root = llDeleteSubString(root, -1, -1);
    list options = [HTTP_METHOD, method, HTTP_MIMETYPE, "application/json;charset=utf-8", HTTP_VERBOSE_THROTTLE, FALSE];
    if (TOKEN != "") options += [HTTP_CUSTOM_HEADER, "X-N2K-Token", TOKEN];
    asked = path;
    request = llHTTPRequest(root + path, options, body);
    if (request)
    {
        arm(ANSWER_SECONDS);
        return;
    }
    request = NULL_KEY;
    later("the grid's throttle lets no request out");
}

// The service took a decision: the next request may go.
settled()
{
    tries = 0;
    pause = PACE;
    arm(PACE);
}

// No decision: the same again, after a pause that grows. The owner hears of the first failure in a row only.
later(string why)
{
    if (pause == PACE) tell_owner(why + ". Trying again by and by; waiting: " + (string)waiting());
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
    later("the answer of " + URL + " was cut, or is none of an n2k service");
}

// Nothing but the owner can help. Who is not in the region gets an instant message: once, as nothing is asked any more.
stop(string why)
{
    stopped = TRUE;
    arm(0.0);
    string text = "stopped: " + why + ". Mend it, then touch me or reset me; waiting: " + (string)waiting();
    if (llGetAgentSize(llGetOwner()) != ZERO_VECTOR) tell_owner(text);
    else llInstantMessage(llGetOwner(), "n2k " + ME + " in " + llGetRegionName() + ": " + text);
}

heard(integer status, string text)
{
    string body = llStringTrim(text, STRING_TRIM);
    request = NULL_KEY;
    if (status == 200 && is_object(body)) took(body);
    else if (status == 200 && llGetSubString(body, 0, 0) == "{") cut();
    else if (status == 400 || status == 409 || status == 413) turned_down(status, said(body));
    else if (status == 499 || status == 408) later("no answer from " + URL
        + ": no connection, a time-out or a bad certificate");
    else if (status == 429) later("asked too often (429): " + said(body));
    else if (status >= 500) later("the service is in trouble (" + (string)status + "): " + said(body));
    else if (status == 401 || status == 403) stop("the token is wrong (" + (string)status + "): " + said(body));
    else stop(URL + " is no n2k service (" + (string)status + "): " + said(body));
}

time_is_up()
{
    if (request == NULL_KEY)
    {
        next();
        return;
    }
    request = NULL_KEY;
    later("no answer came from " + URL);
}

touched_by_owner(integer count)
{
    integer i;
    for (i = 0; i < count; ++i)
    {
        if (stopped && llDetectedKey(i) == llGetOwner())
        {
            stopped = FALSE;
            tell_owner("going on.");
            settled();
        }
    }
}

// A new owner starts anew. A restarted region has lost the answer under way: the same may be asked again without harm.
lived_through(integer change)
{
    if (change & CHANGED_OWNER) llResetScript();
    if ((change & CHANGED_REGION_START) && armed)
    {
        request = NULL_KEY;
        arm(PACE);
    }
}
// <<< asking

next()
{
    if (waiting() == 0) arm(0.0);
    else ask("POST", "/api/v1/forgotten", "{\"key\":\"" + llList2String(queue, 0) + "\"}");
}

// By instant message: it arrives wherever the avatar has gone in the meantime.
done_with(string text)
{
    key who = llList2Key(queue, 0);
    queue = llDeleteSubList(queue, 0, 1);
    llInstantMessage(who, text);
}

took(string body)
{
    if (llJsonGetValue(body, ["forgotten"]) != JSON_TRUE)
    {
        cut();
        return;
    }
    settled();
    done_with("Done. The directory at " + URL + " answers neither to your name nor to your key any more, from this moment on,"
        + " and takes no registration of you.");
}

turned_down(integer status, string why)
{
    tell_owner(llList2String(queue, 1) + " was not taken out (" + (string)status + "): " + why);
    settled();
    done_with("You could not be taken out of the directory, sorry. The owner of the object was told why.");
}

give_up(string why)
{
    tell_owner("gave up on " + llList2String(queue, 1) + ": " + why);
    done_with("You are still in the directory: it did not answer for a long time. Please touch again later.");
}

ask_avatar(key who, integer times, string text)
{
    if (llGetListLength(thinking) >= MOST_ASKED * 3) thinking = llDeleteSubList(thinking, 0, 2);
    thinking += [(string)who, times, llGetUnixTime()];
    llRegionSayTo(who, 0, text);
}

// The key comes with the touch, and everything that is remembered hangs on it.
touched_by(key who, string name)
{
    if (llListFindList(queue, [(string)who]) != -1)
    {
        llRegionSayTo(who, 0, "Your wish is on its way. You will get a message when it is done.");
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
    if (times == 0) ask_avatar(who, 1, "This takes your name and key out of the directory at " + URL
        + ": objects that ask it will not find you any more. If you want that, touch again within a minute. If not, do nothing.");
    else if (times == 1) ask_avatar(who, 2, "Are you sure? Only the owner of the directory can undo it."
        + " Touch once more within a minute to be taken out. If not, do nothing.");
    else if (waiting() >= MOST_WAITING) llRegionSayTo(who, 0, "Too many are waiting. Please touch again later.");
    else
    {
        queue += [(string)who, name];
        llRegionSayTo(who, 0, "Noted. It takes some seconds, longer when the directory does not answer; a message will tell you"
            + " when it is done. If you hear nothing within an hour, please touch again.");
    }
}

default
{
    touch_start(integer count)
    {
        integer i;
        touched_by_owner(count);
        for (i = 0; i < count; ++i)
        {
            if (stopped) llRegionSayTo(llDetectedKey(i), 0, "This is out of order, sorry. Its owner was told.");
            else touched_by(llDetectedKey(i), llDetectedName(i));
        }
        go();
    }

    changed(integer change)
    {
        lived_through(change);
    }

    // >>> events: the same text in every script that holds a token.
    timer()
    {
        time_is_up();
    }

    // Every script in a prim hears the answers to all of them: only ours counts.
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
