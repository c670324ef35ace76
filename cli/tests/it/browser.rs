//! The page of `phaseflag serve` in a browser.
//!
//! The tests leave screenshots in `target/tmp`. `docs/page.png` is one of them, made smaller by
//! `pngquant 64` and `optipng`.

use crate::support::browser::{Browser, DOWN, ENTER, TAB, UP};
use crate::support::{FLAGS, Folder, Port, Service};

/// Opens the page of a service that serves the flags of the examples.
fn open(folder: &Folder) -> Option<(Service, Browser)> {
    let browser = Browser::start(folder)?;
    let service = Service::with_flags(folder);
    browser.open(&service.page());
    browser.wait_for("#answer", "because");
    Some((service, browser))
}

/// What the browser has logged as an error, such as a broken policy.
fn watch_violations(browser: &Browser) {
    browser.run(
        "window.violations = []; \
         document.addEventListener('securitypolicyviolation', it => violations.push(it.violatedDirective))",
    );
}

#[test]
fn a_flag_is_chosen_and_an_attribute_changes_its_answer() {
    let folder = Folder::new("browser-mouse");
    let Some((_service, browser)) = open(&folder) else { return };
    watch_violations(&browser);
    browser.click("[data-key=new-checkout-flow]");
    browser.wait_for("#key", "new-checkout-flow");
    browser.wait_for("#served", "false");
    browser.wait_for("#reason", "no rule decides");
    // The rules read the attribute, so the page offers it.
    browser.click("#reads button");
    browser.press("pro");
    browser.wait_for("#served", "true");
    browser.wait_for("#reason", "enabled, because a rule matches");
    browser.wait_for("#why", "holds for pro");
    browser.wait_for("[data-key=new-checkout-flow] .value", "true");
    // Of fewer than 1000 users, if the machine is busy.
    browser.wait_for("#split", " · 100.0 %");
    browser
        .wait_for("#command", "explain --bootstrap flags.json --attr plan=pro new-checkout-flow");
    // The address keeps the state.
    let address = browser.run("return location.hash");
    assert_eq!(address.as_str(), Some("#flag=new-checkout-flow&attr=plan%3Dpro"));
    browser.run("location.reload()");
    browser.wait_for("#why", "holds for pro");
    watch_violations(&browser);

    browser.click("[data-key=instant-search]");
    browser.wait_for("#why", "rollout: no user and no session");
    browser.run("document.querySelector('#user').focus()");
    browser.press("bob");
    browser.wait_for("#why", "bucket 14 by user_id");
    browser.wait_for(".marker", "bucket ");
    browser.wait_for("#served", "true");
    assert_eq!(browser.run("return violations").as_array(), Some(&[][..]));
}

#[test]
fn an_edit_of_the_file_appears() {
    let folder = Folder::new("browser-edit");
    let Some(browser) = Browser::start(&folder) else { return };
    folder.write("flags.json", FLAGS);
    let port = Port::hold();
    let service = Service::start_on(&port, &folder, "flags.json");
    browser.open(&service.page());
    browser.wait_for("#answer", "because");
    browser.click("[data-key=instant-search]");
    browser.wait_for("#why", "25 to 100");
    browser.wait_for("#live", "live");
    folder.write("flags.json", &FLAGS.replace("\"weight\": 25", "\"weight\": 40"));
    browser.wait_for("#why", "40 to 115");
    browser.wait_for("#version", "version 2");
    browser.wait_for("#edits", "version 2: instant-search changed");
    for (name, width) in [("wide", 1280), ("phone", 400)] {
        browser.set_look(width, 1190, true);
        assert_fits(&browser);
        browser.screenshot(&format!("page-{name}-edited"));
    }

    folder.write("flags.json", "{\"flags\": [");
    browser.wait_for("#trouble", "at line 1, column 12. The last rules stay in use.");
    folder.write("flags.json", &FLAGS.replace("instant-search", "quick-search"));
    browser.wait_for("#edits", "version 3: quick-search added; instant-search removed");
    browser.wait_until("document.querySelector('#trouble').hidden");
    browser.wait_for("#missing", "The file has no flag instant-search.");

    // The service ends, and another one takes its place.
    drop(service);
    browser.wait_for("#live", "not connected");
    // An answer to another context or of another flag does not stay.
    browser.run("document.querySelector('#user').focus()");
    browser.press("x");
    browser.wait_until("document.querySelector('.busy')");
    let visibility = browser.run(
        "document.querySelector('.busy').classList.remove('busy'); \
         document.querySelector('[data-key=ui-theme]').click(); \
         return getComputedStyle(document.querySelector('#served')).visibility",
    );
    assert_eq!(visibility.as_str(), Some("hidden"));
    browser.click("[data-key=quick-search]");
    folder.write("flags.json", FLAGS);
    let _service = Service::start_on(&port, &folder, "flags.json");
    browser.wait_for("#live", "live");
    browser.wait_for("#missing", "The file has no flag quick-search.");
    browser.click("[data-key=instant-search]");
    browser.wait_for("#why", "25 to 100");
}

#[test]
fn the_keyboard_suffices() {
    let folder = Folder::new("browser-keyboard");
    let Some((_service, browser)) = open(&folder) else { return };
    browser.press("/search");
    browser.wait_for("#count", "1 of 8 flags");
    browser.press(ENTER);
    browser.wait_for("#key", "instant-search");
    browser.press_with_shift(TAB);
    browser.wait_until("document.activeElement.id === 'filter'");
    browser.run("document.activeElement.select()");
    browser.press("\u{e003}");
    browser.wait_for("#count", "8 flags");
    browser.press(DOWN);
    browser.press(&DOWN.repeat(3));
    browser.press(UP);
    browser.press(DOWN);
    browser.wait_for("#key", "instant-search");
    // The answer removes what the rules of the flag before read.
    browser.wait_until("!document.querySelector('.busy')");
    // One Tab leaves the list, however long it is.
    browser.press(TAB);
    browser.wait_until("document.activeElement.id === 'user'");
    browser.press("ada");
    browser.press(&TAB.repeat(2));
    browser.wait_until("document.activeElement.id === 'add'");
    browser.press(ENTER);
    browser.press(&format!("version{TAB}1.10"));
    browser.wait_for(".attribute .kind", "number");
    browser.press(&format!("{TAB} "));
    browser.wait_for(".attribute .kind", "text");
    browser.wait_for("#command", "--user ada --attr-text version=1.10 instant-search");
    browser.press(&format!("{TAB}{ENTER}"));
    browser.wait_until("document.activeElement.id === 'add'");
    browser.wait_for("#command", "--user ada instant-search");
    // The element with the focus is outlined.
    let style = browser.run("return getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(style.as_str(), Some("solid"));
}

/// Texts and rules of every kind, and more of them than usual.
const STRANGE: &str = r#"{
    "segments": [{"id": "s1", "key": "staff", "conditions": [
        {"attribute": "email", "operator": "matches_regex", "value": "@example\\.com$"},
        {"attribute": "age", "operator": "gt", "value": 17}]}],
    "flags": [
        {"key": "<img src=x onerror=alert(1)>", "name": "<b>bold</b>", "description": "<script>alert(1)</script>",
         "flag_type": "string", "tags": ["</li>"], "environment": "<i>", "default_variation": "<u>",
         "variations": [{"key": "<u>", "value": "<img src=x onerror=alert(2)>"}],
         "targeting_rules": [{"variation": "<u>", "conditions":
             [{"attribute": "<a>", "operator": "is", "value": "\"><img src=x onerror=alert(3)>"}]}]},
        {"key": "a-key-that-is-much-longer-than-any-list-is-wide-and-has-no-room-on-any-phone-at-all-0123456789",
         "name": "An Arabic name: \u0645\u0631\u062d\u0628\u0627 and \u202e an override", "flag_type": "json",
         "default_variation": "small",
         "variations": [{"key": "small", "value": {"list": [], "deep": {"number": 9007199254740993, "text": "a,b:{c}"}}},
                        {"key": "a variation with a name that is long as well, and has words", "value": "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"},
                        {"value": null}],
         "prerequisites": [{"flag_key": "gate", "variation_key": "on"}],
         "targeting_rules": [
             {"variation": "small", "segment_id": "staff", "conditions": []},
             {"variation": "small", "segment_id": "nowhere", "conditions": []},
             {"conditions": []},
             {"variation": "small", "conditions": [{"attribute": "a", "operator": "near", "value": 1},
                 {"attribute": "an-attribute-with-a-name-of-a-remarkable-length", "operator": "not_one_of", "value": ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]}]},
             {"percentage_rollout": [{"variation": "small", "percentage": 0.5},
                 {"variation": "a variation with a name that is long as well, and has words", "percentage": 20.25}]}]},
        {"key": "gate", "default_variation": "on", "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}]},
        {"key": "empty"}, {"key": "-dash", "status": "archived"}, {"key": ""}, {"name": "no key"},
        {"key": "constructor"}, {"key": "__proto__"}, {"key": "toString"}]}"#;

#[test]
fn texts_are_shown_as_they_are() {
    let folder = Folder::new("browser-strange");
    let Some(browser) = Browser::start(&folder) else { return };
    folder.write("rules.json", STRANGE);
    let service = Service::start(&folder, "rules.json");
    browser.open(&service.page());
    browser.wait_for("#answer", "because");
    watch_violations(&browser);
    let choose = |position: usize| {
        browser.run(&format!("document.querySelectorAll('#flags button')[{position}].click()"));
    };
    for (width, height) in [(1280, 1500), (400, 2600)] {
        browser.set_look(width, height, width == 400);
        for position in 0..5 {
            choose(position);
            browser.wait_until("!document.querySelector('.busy')");
            assert_fits(&browser);
            browser.screenshot(&format!("page-strange-{width}-{position}"));
        }
    }
    choose(0);
    browser.wait_for("#served", "\"<img src=x onerror=alert(2)>\"");
    browser.wait_for("#about", "<b>bold</b>: <script>alert(1)</script>");
    browser.wait_for("#why", "<a> is \"\\\"><img src=x onerror=alert(3)>\"");
    browser.wait_for("#command", "'<img src=x onerror=alert(1)>'");
    choose(1);
    browser.wait_for("#about", "and \\u{202e} an override");
    browser.wait_for("#served", "\"number\": 9007199254740993,");
    browser.wait_for("#served", "\"text\": \"a,b:{c}\"");
    browser.wait_for("#why", "in a segment that does not exist");
    browser.wait_for("#why", "a condition that can never hold");
    choose(5);
    browser.wait_for("#key", "\"\"");
    browser.wait_for("#command", "explain --bootstrap rules.json ''");
    choose(4);
    browser.wait_for("#command", "explain --bootstrap rules.json -- -dash");
    browser.run("document.querySelector('#user').value = '--json'; document.querySelector('#user').dispatchEvent(new Event('input', {bubbles: true}))");
    browser.wait_for("#command", "explain --bootstrap rules.json --user=--json -- -dash");
    // Names that every object of JavaScript has are keys like others.
    for (position, key) in [(6, "constructor"), (7, "__proto__"), (8, "toString")] {
        choose(position);
        browser.wait_for("#key", key);
        browser.wait_for("#reason", "no rule decides");
        browser.wait_for(&format!("[data-key={key}] .value"), "null");
    }
    let made = "document.querySelectorAll('img[src=x], p b, script:not([src]), u, i').length";
    assert_eq!(browser.run(&format!("return {made}")).as_u64(), Some(0));
    assert_eq!(browser.run("return violations").as_array(), Some(&[][..]));
}

/// Requests what a script of another site may want, and notes for each whether it got it.
const INTRUDER: &str = r#"
    window.seen = {};
    const note = (name, request) => request.then(() => { seen[name] = "got"; }, () => { seen[name] = "refused"; });
    const read = (path, options) => fetch(URL_OF_PAGE + path, options).then(response => {
        if (!response.ok) throw response.status;
        return response.text();
    });
    const loaded = element => new Promise((resolve, reject) => {
        element.onload = element.onopen = resolve;
        element.onerror = reject;
    });
    const json = {"Content-Type": "application/json"};
    note("flags", read("_page/flags"));
    note("answer", read("_page/answer", {method: "POST", headers: json, body: "{}"}));
    note("rules", read("api/v1/sdk/ruleset", {headers: {"X-API-Key": "k"}}));
    note("stream", loaded(new EventSource(URL_OF_PAGE + "_page/changes")));
    const script = document.createElement("script");
    script.src = URL_OF_PAGE + "_page/page.js";
    document.body.append(script);
    note("script", loaded(script));"#;

#[test]
fn a_page_elsewhere_gets_nothing() {
    let folder = Folder::new("browser-elsewhere");
    let Some((service, browser)) = open(&folder) else { return };
    let seen = |url: &str| {
        browser.run(&INTRUDER.replace("URL_OF_PAGE", &format!("{url:?}")));
        browser.wait_until("Object.keys(seen).length === 5");
        browser.run("return Object.values(seen).join(' ')").as_str().unwrap().to_owned()
    };
    let nothing = ["refused"; 5].join(" ");
    // Another port of this machine is another origin. This path has no policy of its own.
    let other = Service::with_flags(&folder);
    browser.open(&other.base_url);
    assert_eq!(seen(&service.page()), nothing);
    // For the browser this is one origin, whose name now leads to this machine.
    let rebound = service.page().replace("127.0.0.1", "rebound.example");
    browser.open(&rebound);
    browser.wait_for("body", "WRONG_HOST");
    assert_eq!(seen(&rebound), nothing);
    // A document of the service itself gets all of it.
    browser.open(&service.base_url);
    assert_eq!(seen(&service.page()), "got got got got got");
}

/// Nothing is wider than the window.
#[track_caller]
fn assert_fits(browser: &Browser) {
    let wide = "const width = document.documentElement.clientWidth; \
                return [...document.querySelectorAll('body *')] \
                .filter(it => !it.closest('.hidden, .marker, #flags, .label')) \
                .filter(it => it.getBoundingClientRect().right > width + 1) \
                .map(it => it.outerHTML)";
    assert_eq!(browser.run(wide).as_array(), Some(&[][..]));
    let scrolls = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
    assert_eq!(browser.run(&format!("return {scrolls}")).as_bool(), Some(false));
}

#[test]
fn it_fits_phones_and_both_colour_schemes() {
    let folder = Folder::new("browser-looks");
    let Some((_service, browser)) = open(&folder) else { return };
    let address = "#flag=instant-search&user=bob&attr=plan%3Dpro&attr-text=app_version%3D4.20";
    browser.run(&format!("location.hash = {address:?}"));
    browser.wait_for("#why", "bucket");
    for (name, width, height) in [("wide", 1280, 1190), ("tablet", 800, 1400), ("phone", 400, 1900)]
    {
        for dark in [false, true] {
            browser.set_look(width, height, dark);
            for flag in ["instant-search", "checkout-config", "ui-theme", "express-pay"] {
                browser.click(&format!("[data-key={flag}]"));
                browser.wait_until("!document.querySelector('.busy')");
                assert_fits(&browser);
                let scheme = if dark { "dark" } else { "light" };
                if matches!(flag, "instant-search" | "express-pay") {
                    browser.screenshot(&format!("page-{name}-{scheme}-{flag}"));
                }
            }
        }
    }
}
