<?php
error_reporting(E_ALL);
ob_start(); // a session begins before any output
// A round of everything with PHP's memcached extension; prints one line per call. Arguments: host, port (0: host is a unix socket).
$pool = new Memcached();
$pool->setOption(Memcached::OPT_BINARY_PROTOCOL, false);
$pool->addServer($argv[1], (int)$argv[2]);
$told = [
    'set' => $pool->set('a', 'text', 100),
    'get' => $pool->get('a'),
    'object' => $pool->set('o', ['x' => 1, 'y' => [true, null]]),
    'same object' => $pool->get('o') === ['x' => 1, 'y' => [true, null]],
    'add' => $pool->add('a', 'other'),
    'replace' => $pool->replace('none', 'other'),
    'large' => $pool->set('l', str_repeat('long ', 10000)) && strlen($pool->get('l')) === 50000,
    'setMulti' => $pool->setMulti(['m1' => 1, 'm2' => 2.5]),
    'getMulti' => $pool->getMulti(['m1', 'm2', 'none']),
    'number' => $pool->set('n', '5'),
    'increment' => $pool->increment('n', 3),
    'decrement' => $pool->decrement('n', 100),
    'touch' => $pool->touch('a', 50),
    'uncompressed' => $pool->setOption(Memcached::OPT_COMPRESSION, false),
    'append' => $pool->set('s', 'b') && $pool->append('s', 'c') && $pool->prepend('s', 'a') ? $pool->get('s') : false,
    'gone' => $pool->set('g', 'x', -1) ? $pool->get('g') : 'not stored',
];
$token = $pool->get('a', null, Memcached::GET_EXTENDED)['cas'];
$told['cas'] = $pool->cas($token, 'a', 'new');
$told['old cas'] = $pool->cas($token, 'a', 'newer');
$told['value'] = $pool->get('a');
$told['delete'] = $pool->delete('a');
$told['deleted'] = $pool->get('a');
$told['result'] = $pool->getResultMessage();
$told['version'] = count($pool->getVersion());
$told['stats'] = count($pool->getStats()) > 0;
$told['flush'] = $pool->flush();
$told['flushed'] = $pool->get('s');
foreach ($told as $name => $value) {
    echo $name, ': ', json_encode($value), "\n";
}

ini_set('session.save_handler', 'memcached');
ini_set('session.save_path', $argv[2] === '0' ? $argv[1] : "$argv[1]:$argv[2]");
ini_set('session.use_cookies', '0');
foreach ([1, 2, 3] as $visit) {
    session_id('abc');
    session_start();
    $_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
    session_write_close();
    echo 'session: ', json_encode($_SESSION), "\n";
    $_SESSION = [];
}
echo 'stored: ', json_encode($pool->get(ini_get('memcached.sess_prefix') . 'abc')), "\n";
