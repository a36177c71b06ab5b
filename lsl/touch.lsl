// touch.lsl: registers whoever touches this object (legacy name and key) with an n2k service.
// Touchers queue up; one request at a time goes out. Errors are told to the owner only.
// MIT licence. For Second Life (Mono) and OpenSimulator.

// Edit these two lines: the root address of your n2k service, without any "?", and a token that may register.
string URL = "https://www.example.org/dispatch.fcgi";
string TOKEN = "";

float PACE = 2.0;              // seconds between requests; grids allow 25 in 20 s, or one a second
float LONGEST_PAUSE = 300.0;   // while the service or the grid refuses, the pause doubles up to this
float ANSWER_SECONDS = 90.0;   // grids report a time-out after 60 s at most; the report itself may be lost
integer MOST_WAITING = 50;     // avatars in the queue
integer MOST_TRIES = 10;       // for one avatar, about 20 minutes

list queue = [];               // key, name, key, name ... of who waits, the oldest first
key request = NULL_KEY;        // the request under way; NULL_KEY: none
integer armed = FALSE;         // the timer runs: for an answer, or for the pause after one
integer stopped = FALSE;       // something must be mended before another request makes sense
integer tries = 0;             // failures of the first in the queue
float pause = 2.0;             // PACE, doubled by every failure

arm(float seconds)
{
    armed = (seconds > 0.0);
    llSetTimerEvent(seconds);
}

tell_owner(string text)
{
    llOwnerSay("n2k touch: " + text);
}

// The first line of what a server said, short enough for chat.
string line(string body)
{
    return llGetSubString(llList2String(llParseString2List(body, ["\n"], []), 0), 0, 199);
}

integer waiting()
{
    return llGetListLength(queue) / 2;
}

enqueue(key avatar, string name)
{
    if (llListFindList(queue, [avatar]) != -1) return;
    if (waiting() < MOST_WAITING) queue += [avatar, name];
    else llRegionSayTo(avatar, 0, "Too many are waiting. Please touch again later.");
}

drop_first()
{
    queue = llDeleteSubList(queue, 0, 1);
    tries = 0;
}

// The service took a decision about the first in the queue: the next may go.
settled()
{
    drop_first();
    pause = PACE;
    arm(pause);
}

later(string why)
{
    if (pause == PACE) tell_owner(why + ". Trying again by and by; waiting: " + (string)waiting());
    tries = tries + 1;
    if (tries >= MOST_TRIES)
    {
        tell_owner("gave up on " + llList2String(queue, 1) + ": " + why);
        drop_first();
    }
    pause = pause * 2.0;
    if (pause > LONGEST_PAUSE) pause = LONGEST_PAUSE;
    arm(pause);
}

stop(string why)
{
    stopped = TRUE;
    arm(0.0);
    tell_owner("stopped: " + why + ". Mend it, then touch me or reset me; waiting: " + (string)waiting());
}

send()
{
    if (stopped || waiting() == 0)
    {
        arm(0.0);
        return;
    }
    list options = [HTTP_METHOD, "POST", HTTP_MIMETYPE, "application/x-www-form-urlencoded",
        HTTP_VERBOSE_THROTTLE, FALSE];
    if (TOKEN != "") options += [HTTP_CUSTOM_HEADER, "X-N2K-Token", TOKEN];
    request = llHTTPRequest(URL, options,
        "name=" + llEscapeURL(llList2String(queue, 1)) + "&key=" + llList2String(queue, 0));
    if (request == NULL_KEY) later("the grid's throttle lets no request out");
    else arm(ANSWER_SECONDS);
}

// The service repeats the key; a page that is there for everybody (a parked address, a login) does not.
registered(string body)
{
    if (llSubStringIndex(body, llList2String(queue, 0)) == -1)
    {
        stop(URL + " is no n2k service (it says: " + line(body) + ")");
        return;
    }
    llRegionSayTo(llList2Key(queue, 0), 0, "Registered: " + llList2String(queue, 1) + ". Thank you.");
    settled();
}

refused(integer status, string body)
{
    tell_owner(llList2String(queue, 1) + " was not registered (" + (string)status + "): " + line(body));
    settled();
}

default
{
    touch_start(integer count)
    {
        integer i;
        for (i = 0; i < count; ++i)
        {
            enqueue(llDetectedKey(i), llDetectedName(i));
            if (stopped && llDetectedKey(i) == llGetOwner())
            {
                stopped = FALSE;
                tell_owner("going on.");
            }
        }
        if (!armed) send();
    }

    timer()
    {
        if (request == NULL_KEY)
        {
            send();
            return;
        }
        request = NULL_KEY;
        later("no answer came from " + URL);
    }

    // Every script in a prim hears the answers to all of them: only ours counts.
    http_response(key id, integer status, list metadata, string body)
    {
        if (id != request || request == NULL_KEY) return;
        request = NULL_KEY;
        if (status == 200) registered(body);
        else if (status == 400 || status == 409) refused(status, body);
        else if (status == 499 || status == 408) later("no answer from " + URL
            + ": no connection, a time-out or a bad certificate");
        else if (status == 429) later("asked too often (429): " + line(body));
        else if (status >= 500) later("the service is in trouble (" + (string)status + "): " + line(body));
        else if (status == 401 || status == 403) stop("the token is wrong (" + (string)status + "): " + line(body));
        else stop(URL + " is no n2k service (" + (string)status + "): " + line(body));
    }

    // A restarted region loses answers under way: the same pair may be sent again without harm.
    changed(integer change)
    {
        if (change & CHANGED_OWNER) llResetScript();
        if ((change & CHANGED_REGION_START) && request != NULL_KEY)
        {
            request = NULL_KEY;
            arm(PACE);
        }
    }

    on_rez(integer parameter)
    {
        llResetScript();
    }
}
