# frozen_string_literal: true

exec("#{ENV.fetch('STANDIN_ROOT', '')}/usr/lib/one/standin", 'onegate')
